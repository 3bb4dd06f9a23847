/* Hand-made scanners for the splitting patterns of the well-known tokenizers: the same pieces as
 * the regular expression gives, without an engine. A scanner is chosen by the exact text of the
 * pattern. */
#ifndef TS_TEXT_PRETOKEN_SCAN_H
#define TS_TEXT_PRETOKEN_SCAN_H
#include "text/pretoken/scan_block.h"
#include "text/pretoken/scanners.h"

/* NULL: no scanner for this pattern. */
ts_scan_fn *ts_scan_find(const char *pattern);
/* The three patterns of DeepSeek-V3 one after the other, each isolating its matches. */
ts_scan_fn *ts_scan_find3(const char *first, const char *second, const char *third);
/* The same pieces by blocks; NULL: this scanner has no such twin. */
ts_block_fn *ts_scan_block(ts_scan_fn *scan);
extern const char ts_scan_gpt2_pattern[];
#endif
