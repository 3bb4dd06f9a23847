/* The scanners themselves, one a pattern; scan.h chooses among them. */
#ifndef TS_TEXT_PRETOKEN_SCANNERS_H
#define TS_TEXT_PRETOKEN_SCANNERS_H
#include "text/unicode.h"

/* Length (> 0) of the piece at p: a match of the pattern, or the text up to the next match. The
 * text is valid UTF-8, p < end, and a piece ended at p. */
typedef size_t ts_scan_fn(const ts_unicode *u, const unsigned char *p, const unsigned char *end);

ts_scan_fn ts_scan_gpt2, ts_scan_llama3, ts_scan_qwen, ts_scan_o200k;
ts_scan_fn ts_scan_deepseek; /* the three patterns of DeepSeek-V3 */

/* Length of 's|'t|'re|'ve|'m|'ll|'d at p; with fold, in any case (U+017F is an s then). 0: no
 * match. */
size_t ts_scan_contraction(const unsigned char *p, const unsigned char *end, bool fold);
#endif
