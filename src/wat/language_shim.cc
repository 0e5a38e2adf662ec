/* The one file that knows CLD2 (Compact Language Detector 2, Dick Sites), with
 * the tables of libcld2_full, as pycld2 has them: they tell some 175 languages.
 */
#include "wat/language.h"

#include <algorithm>
#include <climits>
#include <cstdio>
#include <cstdlib>
/* CLD2's headers need the C library's and encodings.h above them */
#include <cld2/public/encodings.h>

#include <cld2/public/compact_lang_det.h>

namespace
{

/* Other usual names of CLD2's codes: ISO 639-1 as it is today, and what Debian,
 * browsers and Common Crawl write. */
const char *const other_names[][2] = {
	{"he", "iw"}, {"jv", "jw"}, {"nb", "no"},         {"fil", "tl"},
	{"in", "id"}, {"mo", "ro"}, {"zh-TW", "zh-Hant"},
};

/* The answer for @text, with CLD2's @flags. */
struct language detect(struct slice text, int flags)
{
	CLD2::CLDHints hints = {nullptr, nullptr, CLD2::UNKNOWN_ENCODING,
				CLD2::UNKNOWN_LANGUAGE};
	CLD2::Language top[3];
	int percent[3];
	double score[3];
	int text_bytes = 0;
	bool is_reliable = false;
	int valid_len = 0;
	CLD2::Language best = CLD2::ExtDetectLanguageSummaryCheckUTF8(
		text.data, static_cast<int>(text.len), true, &hints, flags, top,
		percent, score, nullptr, &text_bytes, &is_reliable, &valid_len);
	if (best == CLD2::UNKNOWN_LANGUAGE || text_bytes == 0)
		return {"un", false, 0};
	int share = 0;
	for (int i = 0; i < 3; i++)
		if (top[i] == best)
			share = percent[i];
	return {CLD2::LanguageCode(best), is_reliable, share};
}

/* CLD2's own code for @code: the one it stands for in other_names, or itself.
 */
struct slice own_code(struct slice code)
{
	for (const auto &name : other_names)
		if (slice_equal_nocase(slice_of(name[0]), code))
			return slice_of(name[1]);
	return code;
}

} // namespace

extern "C" {

struct language language_of(struct slice text)
{
	if (text.len == 0 || text.len > INT_MAX)
		return {"un", false, 0};
	struct language sure = detect(text, 0);
	if (strcmp(sure.code, "un") != 0)
		return sure;
	struct language guess = detect(text, CLD2::kCLDFlagBestEffort);
	guess.is_reliable = false;
	return guess;
}

bool language_is_known(struct slice code)
{
	struct slice own = own_code(code);
	/* numbers that CLD2 leaves unused have an empty code */
	if (own.len == 0)
		return false;
	for (int i = 0; i < CLD2::NUM_LANGUAGES; i++) {
		auto language = static_cast<CLD2::Language>(i);
		if (language == CLD2::UNKNOWN_LANGUAGE ||
		    language == CLD2::TG_UNKNOWN_LANGUAGE)
			continue;
		const char *name = CLD2::LanguageCode(language);
		if (slice_equal_nocase(slice_of(name), own))
			return true;
	}
	return false;
}

bool language_is_wanted(const struct language *language,
			const char *const *codes, int count)
{
	if (count == 0)
		return true;
	struct slice is = slice_of(language->code);
	if (slice_equal(is, slice_of("un")))
		return false;
	return std::any_of(codes, codes + count, [is](const char *code) {
		struct slice want = own_code(slice_of(code));
		if (is.len > want.len && is.data[want.len] == '-')
			return slice_equal_nocase({is.data, want.len}, want);
		return slice_equal_nocase(is, want);
	});
}
}
