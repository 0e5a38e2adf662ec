"""Short texts whose language is known: the translations of GTK's messages (Debian
package libgtk-3-common) in 48 languages."""

import functools
import gettext
import re
from pathlib import Path

FOLDER = Path("/usr/share/locale")
DOMAINS = ("gtk30", "gtk30-properties")
LANGUAGES = (
    *("ar", "bg", "bn", "ca", "cs", "da", "de", "el", "es", "et", "eu", "fa", "fi"),
    *("fr", "gl", "gu", "he", "hi", "hr", "hu", "id", "is", "it", "ja", "kn", "ko"),
    *("lt", "lv", "ml", "mr", "nb", "nl", "pl", "pt_BR", "ro", "ru", "sk", "sl"),
    *("sr", "sv", "ta", "te", "th", "tr", "uk", "vi", "zh_CN", "zh_TW"),
)
LENGTHS = range(15, 121)  # characters; what a caption has
WIDE = ("ja", "ko", "zh_CN", "zh_TW")  # a character says twice as much
MARKUP = re.compile(r"[%{}<>|\\]|_(?=\w)|(?<=\w)_|&[a-z]+;")


def texts_of(language):
    least = LENGTHS.start // 2 if language in WIDE else LENGTHS.start
    found = set()
    for domain in DOMAINS:
        path = FOLDER / language / "LC_MESSAGES" / f"{domain}.mo"
        with path.open("rb") as file:
            messages = gettext.GNUTranslations(file)._catalog
        for key, text in messages.items():
            text = " ".join(text.split())
            if key and text != key and least <= len(text) < LENGTHS.stop:
                found.add(text)
    return sorted(text for text in found if not MARKUP.search(text))


@functools.cache
def catalogues():
    """Language -> its texts, sorted."""
    return {language: texts_of(language) for language in LANGUAGES}
