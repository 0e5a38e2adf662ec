"""A second nickname counts again what volunteers counted."""

import re

import pytest
from calls import finish, jobs, take


@pytest.fixture
def checked(import_jobs, start_tracker):
    import_jobs(1)
    return start_tracker("--verify-share", "1", "--verify-tolerance", "0.1", "--quiet")


def page(tracker, name):
    return tracker.get(f"/worker/hybrid/{name}").text


def new(tracker, nickname):
    answer = tracker.get(f"/api/new?nickname={nickname}&type=HYBRID").json()
    return answer["token"], answer["display_name"]


def test_a_job_is_done_when_two_agree(checked):
    ann, name = new(checked, "ann")
    job = take(checked, ann)
    assert finish(checked, ann, count=1000).text == "success"
    assert jobs(checked)["check_open"] == 1
    assert jobs(checked)["done"] == 0
    assert checked.get("/api/jobCount?type=HYBRID").text == "2"
    assert checked.get("/api/jobCount?type=CPU").text == "1"
    assert "counted twice" not in page(checked, name)
    ben, _ = new(checked, "ben")
    assert take(checked, ben) == job
    assert finish(checked, ben, count=901).text == "success"
    assert jobs(checked)["done"] == 1
    assert checked.get("/data").json()["total_pairs_scraped"] == 1000
    assert re.search(r"counted twice</th><td>1<", page(checked, name))
    assert re.search(r"not agree</th><td>0<", page(checked, name))


def test_a_job_is_open_again_when_two_disagree(checked):
    ann, ann_name = new(checked, "ann")
    job = take(checked, ann)
    finish(checked, ann, count=1000)
    ben, ben_name = new(checked, "ben")
    assert take(checked, ben) == job
    finish(checked, ben, count=899)
    assert jobs(checked)["open"] == 2
    assert checked.get("/data").json()["total_pairs_scraped"] == 0
    for name in (ann_name, ben_name):
        assert re.search(r"not agree</th><td>1<", page(checked, name))
    assert take(checked, ann) == job


def test_nothing_is_checked_unless_it_is_asked_for(tracker):
    ann, _ = new(tracker, "ann")
    take(tracker, ann)
    finish(tracker, ann, count=1000)
    assert jobs(tracker)["done"] == 1


@pytest.mark.parametrize("share", ["1.5", "-1", "nan", "x"])
def test_a_share_is_a_number_from_0_to_1(run_cah, share):
    done = run_cah("tracker", "--verify-share", share)
    assert done.returncode == 2
    assert "--verify-share" in done.stderr
