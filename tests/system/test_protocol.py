"""docs/protocol.md and the tests together: every call, every status of it and every
flaw that is told there has a test, and the tables here say which."""

import re

import pytest
from conftest import ROOT
from test_tracker_refusals import REFUSALS

TEXT = (ROOT / "docs/protocol.md").read_text()
TESTS = ROOT / "tests/system"

# ---- what good answers are tested by ----

CALLS = {
    "/api/new": "test_tracker.py::test_new_gives_a_token_a_name_and_an_address",
    "/api/jobCount": "test_tracker.py::test_a_hybrid_worker_goes_round",
    "/api/getUploadAddress": (
        "test_tracker.py::test_new_gives_a_token_a_name_and_an_address"
    ),
    "/api/newJob": "test_tracker.py::test_a_hybrid_worker_goes_round",
    "/api/updateProgress": "test_tracker.py::test_progress_is_cut_to_255_characters",
    "/api/markAsDone": "test_tracker.py::test_a_cpu_workers_job_becomes_a_gpu_workers",
    "/api/gpuInvalidDownload": (
        "test_tracker.py::test_a_gpu_job_that_is_invalid_goes_back_to_the_cpu_queue"
    ),
    "/api/validateWorker": "test_tracker.py::test_a_hybrid_worker_goes_round",
    "/api/bye": "test_tracker.py::test_a_hybrid_worker_goes_round",
    "/api/isCompleted": "test_tracker.py::test_is_completed_names_only_what_is_done",
    "/custom/get-cpu-wat": "test_tracker.py::test_a_whole_wat_is_taken_by_its_url",
    "/custom/lookup-wat": "test_tracker.py::test_lookup_wat_leaves_out_what_is_held",
    "/custom/markasdone-cpu": "test_tracker.py::test_a_whole_wat_is_taken_by_its_url",
    "/custom/markasdone": (
        "test_tracker.py::test_the_organiser_closes_jobs_and_sets_the_banner"
    ),
    "/admin/set-banner": (
        "test_tracker.py::test_the_organiser_closes_jobs_and_sets_the_banner"
    ),
    "/deduplicate": "test_dedup.py::test_an_ancestors_worker_goes_round",
    "/add": "test_dedup.py::test_an_ancestors_worker_goes_round",
    "/data": "test_tracker.py::test_data_counts_everything",
    "/worker/{type}/{name}/data": "test_tracker.py::test_worker_data_tells_of_one_worker",
}

# ---- statuses of calls that are not among REFUSALS ----

ELSEWHERE = {
    ("/custom/get-cpu-wat", 403): (
        "test_tracker.py::test_no_wat_is_open_when_one_shard_of_each_is_held"
    ),
    **{
        ("/custom/markasdone-cpu", status): (
            "test_tracker_refusals.py::test_markasdone_cpu_refuses_what_is_wrong"
        )
        for status in (400, 404, 422)
    },
    **{
        (path, status): "test_dedup.py::test_hostile_bodies_are_refused"
        for path in ("/deduplicate", "/add")
        for status in (400, 413, 422)
    },
    ("/readyz", 503): "test_watch.py::test_a_store_that_is_away_is_seen_and_seen_again",
}

STATUSES = {
    200: "test_tracker.py::test_a_hybrid_worker_goes_round",
    400: "test_tracker_refusals.py::test_refusals_name_the_field_and_change_nothing",
    401: "test_tracker_refusals.py::test_without_a_secret_the_organisers_calls_are_off",
    403: "test_tracker.py::test_data_is_finished_when_all_is_done",
    404: "test_tracker.py::test_an_idle_worker_is_swept_and_a_live_one_stays",
    405: "test_tracker_refusals.py::test_other_methods_are_refused",
    413: "test_tracker_refusals.py::test_a_body_may_be_of_64_kib",
    415: "test_tracker_refusals.py::test_a_body_says_that_it_is_json",
    422: "test_tracker_refusals.py::test_a_body_that_is_no_json_object_is_refused",
    429: "test_limits.py::test_calls_pages_and_new_workers_are_counted_apart",
    503: "test_tracker_trouble.py::test_a_full_disk_is_told_and_over_when_it_is",
}

# ---- what earlier servers got wrong ----

FLAWS = {
    "A zero count could not be reported": (
        "test_tracker.py::test_a_zero_count_is_a_count"
    ),
    "a negative count lowered the leaderboard": (
        "test_tracker_refusals.py::test_refusals_name_the_field_and_change_nothing"
    ),
    "a count of 2^31 closed the job and then failed": (
        "test_tracker_refusals.py::test_refusals_name_the_field_and_change_nothing"
    ),
    "two clients could be handed one job": (
        "test_tracker.py::test_64_clients_never_hold_one_job_at_one_time"
    ),
    "anyone could complete any job without a token through `custom/markasdone-cpu`": (
        "test_tracker.py::test_nobody_completes_a_job_without_a_workers_token"
    ),
    "a URL containing a certain word closed the job": (
        "test_tracker.py::test_no_word_in_a_url_closes_a_job"
    ),
    "banner, nickname and progress were shown unescaped": (
        "test_pages.py::test_pages_are_well_formed_and_escape_everything"
    ),
    "a NUL byte or a long nickname gave 500": (
        "test_tracker_refusals.py::test_refusals_name_the_field_and_change_nothing"
    ),
    "a stage was handed nothing of what the one before made": (
        "test_stages.py::test_a_job_goes_through_all_stages"
    ),
    "the address-completed call reported unknown addresses": (
        "test_tracker.py::test_is_completed_names_only_what_is_done"
    ),
}


def section(name):
    return TEXT.split(f"## {name}\n")[1].split("\n## ")[0]


def rows():
    """(method, path, statuses) of the first dialect's tables."""
    for name in (
        "Workers",
        "Whole WATs",
        "The organiser",
        "Pairs that were taken before",
        "Numbers and pages",
    ):
        for line in section(name).splitlines():
            match = re.match(r"\| (GET|POST) (\S+) \|.*\|([^|]*)\|$", line)
            if match:
                statuses = re.findall(r"\b([45]\d\d)\b", match[3])
                yield match[1], match[2], {int(s) for s in statuses}


def refused(method, path):
    """The statuses of the rows of REFUSALS for one call."""
    pattern = (
        re.escape(path).replace(r"\{type\}", "[^/]+").replace(r"\{name\}", "[^/]+")
    )
    return {
        status
        for row_method, row_path, _, status, _ in REFUSALS
        if row_method == method and re.fullmatch(pattern, row_path.split("?")[0])
    }


def test_the_tables_are_read():
    assert len(list(rows())) >= 25
    assert ("POST", "/api/markAsDone", {400, 403, 404}) in list(rows())


@pytest.mark.parametrize("name", sorted({*CALLS.values(), *ELSEWHERE.values()}))
def test_the_tests_that_are_named_are_there(name):
    check(name)


def check(name):
    file, _, test = name.partition("::")
    assert re.search(rf"^def {test}\(", (TESTS / file).read_text(), re.MULTILINE)


@pytest.mark.parametrize(("method", "path", "statuses"), list(rows()))
def test_every_status_of_a_call_has_a_test(method, path, statuses):
    elsewhere = {status for at, status in ELSEWHERE if at == path}
    assert statuses <= refused(method, path) | elsewhere


def test_every_call_for_programs_has_a_test_of_what_it_answers():
    api = {path for _, path, _ in rows() if not is_page(path)}
    assert api <= CALLS.keys()


def is_page(path):
    """Those have files of tests of their own: pages, health."""
    return not re.match(r"/(api|custom|admin|data|deduplicate|add)|.*/data$", path)


def test_every_status_has_a_test():
    table = section("Rules for every call")
    told = re.findall(r"^\| ([\d, ]+) \|", table, re.MULTILINE)
    numbers = {int(n) for cell in told for n in cell.split(",")}
    assert numbers == STATUSES.keys()
    for name in STATUSES.values():
        check(name)
    check("test_tracker_refusals.py::test_no_input_gives_500")
    check("test_stages.py::test_the_statuses_of_the_table")


def test_every_flaw_of_earlier_servers_has_a_test():
    text = section("What earlier servers got wrong, and this one does not")
    text = text.split("`tests/system`")[0]
    flaws = " ".join(text.split()).rstrip(".").split("; ")
    assert set(flaws) == FLAWS.keys()
    for name in FLAWS.values():
        check(name)
