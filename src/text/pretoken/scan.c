#include "text/pretoken/scan.h"

#include <string.h>

const char ts_scan_gpt2_pattern[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

static const char deepseek1[] = "\\p{N}{1,3}", deepseek2[] = "[一-龥぀-ゟ゠-ヿ]+",
    deepseek3[] = "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|"
                  "[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|"
                  "\\s*[\r\n]+|\\s+(?!\\S)|\\s+";

#define CONTRACTIONS "'s|'t|'re|'ve|'m|'ll|'d"
#define CL100K_TAIL "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

ts_scan_fn *ts_scan_find(const char *pattern)
{
    static const struct { const char *text; ts_scan_fn *fn;
    } known[] = {
        { ts_scan_gpt2_pattern, ts_scan_gpt2 },
        { "'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
          ts_scan_gpt2 },
        { "(?i:" CONTRACTIONS ")|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}" CL100K_TAIL,
          ts_scan_llama3 },
        { "(?i:" CONTRACTIONS ")|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}" CL100K_TAIL, ts_scan_qwen },
        { "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
          "+"
          "(?i:" CONTRACTIONS ")?|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+"
          "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:" CONTRACTIONS ")?|\\p{N}{1,3}"
          "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
          ts_scan_o200k },
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(pattern, known[i].text) == 0)
            return known[i].fn;
    return NULL;
}

ts_block_fn *ts_scan_block(ts_scan_fn *scan)
{
    return scan == ts_scan_gpt2     ? ts_block_gpt2
           : scan == ts_scan_llama3 ? ts_block_llama3
           : scan == ts_scan_qwen   ? ts_block_qwen
                                    : NULL;
}

ts_scan_fn *ts_scan_find3(const char *first, const char *second, const char *third)
{
    const bool same =
        !strcmp(first, deepseek1) && !strcmp(second, deepseek2) && !strcmp(third, deepseek3);
    return same ? ts_scan_deepseek : NULL;
}
