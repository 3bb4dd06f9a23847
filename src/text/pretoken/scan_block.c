#include "text/pretoken/scan_block.h"

#include "text/pretoken/scanners.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

void ts_block_classify_plain(const unsigned char *p, ts_block_sets *out)
{
    ts_block_sets s = { 0 };
    for (int i = 0; i < TS_BLOCK; i++) {
        const unsigned char c = p[i], lower = c | 0x20;
        const uint64_t bit = (uint64_t)1 << i;
        s.letter |= lower >= 'a' && lower <= 'z' && c < 0x80 ? bit : 0;
        s.digit |= c >= '0' && c <= '9' ? bit : 0;
        s.blank |= c == ' ' || (c >= 9 && c <= 13) ? bit : 0;
        s.space |= c == ' ' ? bit : 0;
        s.newline |= c == '\n' || c == '\r' ? bit : 0;
        s.quote |= c == '\'' ? bit : 0;
        s.wide |= c >= 0x80 ? bit : 0;
    }
    *out = s;
}

#ifdef __SSE2__
static inline __m128i every(char c) { return _mm_set1_epi8(c); }

static inline uint64_t places(__m128i is, int at) { return (uint64_t)_mm_movemask_epi8(is) << at; }

/* Bytes from lo to hi, which are ASCII: others compare as negative. */
static inline __m128i between(__m128i v, char lo, char hi)
{
    return _mm_and_si128(_mm_cmpgt_epi8(v, every((char)(lo - 1))),
                         _mm_cmpgt_epi8(every((char)(hi + 1)), v));
}

static inline void classify(const unsigned char *p, ts_block_sets *out)
{
    ts_block_sets s = { 0 };
    for (int at = 0; at < TS_BLOCK; at += 16) {
        const __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + at));
        const __m128i space = _mm_cmpeq_epi8(v, every(' '));
        const __m128i newline =
            _mm_or_si128(_mm_cmpeq_epi8(v, every('\n')), _mm_cmpeq_epi8(v, every('\r')));
        s.letter |= places(between(_mm_or_si128(v, every(0x20)), 'a', 'z'), at);
        s.digit |= places(between(v, '0', '9'), at);
        s.blank |= places(_mm_or_si128(space, between(v, 9, 13)), at);
        s.space |= places(space, at);
        s.newline |= places(newline, at);
        s.quote |= places(_mm_cmpeq_epi8(v, every('\'')), at);
        s.wide |= places(v, at);
    }
    *out = s;
}
#else
static inline void classify(const unsigned char *p, ts_block_sets *out)
{
    ts_block_classify_plain(p, out);
}
#endif

void ts_block_classify(const unsigned char *p, ts_block_sets *out) { classify(p, out); }

/* The places of the runs of `set` that begin in `from`, from there on. */
static inline uint64_t runs_from(uint64_t set, uint64_t from) { return set & ~(set + from); }

static inline uint64_t begins(uint64_t set) { return set & ~(set << 1); }

/* Cuts `s` off before the first wide byte; returns the places before it. */
static inline uint64_t cut_wide(ts_block_sets *s)
{
    const uint64_t known = s->wide ? (s->wide & -s->wide) - 1 : ~(uint64_t)0;
    s->letter &= known;
    s->digit &= known;
    s->blank &= known;
    s->space &= known;
    s->newline &= known;
    return known;
}

/* Of the begins of pieces, those that are certain to be ends of the piece before: white space at
 * the end of the known could go on, which moves what is inside it. */
static inline uint64_t certain(uint64_t begin, uint64_t known, uint64_t blank)
{
    const uint64_t rest = known & ~blank;
    if (!rest)
        return 0;
    const int last = 63 - __builtin_clzll(rest);
    return begin & known & (((uint64_t)2 << last << 1) - 1) & ~(uint64_t)1;
}

/* The ends of the contractions that begin at `quotes`; *words: less the letters behind those. */
static uint64_t contractions(const unsigned char *p, uint64_t quotes, bool fold, uint64_t *words)
{
    uint64_t ends = 0;
    for (; quotes; quotes &= quotes - 1) {
        const int at = __builtin_ctzll(quotes);
        const size_t n = ts_scan_contraction(p + at, p + TS_BLOCK_ROOM, fold);
        if (!n || at == 63)
            continue;
        *words &= ~((uint64_t)2 << at);
        ends |= (uint64_t)1 << at << n;
    }
    return ends;
}

uint64_t ts_block_gpt2(const unsigned char *p)
{
    ts_block_sets s;
    classify(p, &s);
    const uint64_t known = cut_wide(&s), sign = known & ~(s.letter | s.digit | s.blank);
    const uint64_t alone = ~(s.space << 1); /* no ' ' before, which would join */
    uint64_t words = begins(s.letter) & alone;
    const uint64_t signs = begins(sign) & alone, quotes = signs & s.quote & s.letter >> 1;
    uint64_t begin = begins(s.blank) | (s.blank & ~(s.blank >> 1)) | signs;
    if (quotes)
        begin |= contractions(p, quotes, false, &words);
    return certain(begin | words | (begins(s.digit) & alone), known, s.blank);
}

/* White space that begins a line and ends it, too: of the runs of `in_line` from `from` on, those
 * that no newline follows. */
static uint64_t indents(uint64_t in_line, uint64_t from, uint64_t newline)
{
    uint64_t ends = (in_line + from) & ~in_line;
    if (!(ends & newline))
        return from;
    for (uint64_t left = from; left && ends; left &= left - 1, ends &= ends - 1)
        if (ends & -ends & newline)
            from &= ~(left & -left);
    return from;
}

/* Every third digit of a run begins a piece. */
static uint64_t by_threes(uint64_t digit)
{
    const uint64_t four = digit & digit << 1 & digit << 2 & digit << 3;
    uint64_t all = begins(digit);
    for (uint64_t next = all; (next = next << 3 & four);)
        all |= next;
    return all;
}

static inline uint64_t block_cl100k(const unsigned char *p, bool threes)
{
    ts_block_sets s;
    classify(p, &s);
    const uint64_t known = cut_wide(&s), sign = known & ~(s.letter | s.digit | s.blank);
    /* newlines right behind signs are of their piece; the other white space: */
    const uint64_t white = s.blank & ~runs_from(s.newline, s.newline & sign << 1);
    const uint64_t in_line = s.blank & ~s.newline;
    const uint64_t signs = begins(sign) & ~(s.space << 1);
    /* one character that is neither newline nor number joins the letters behind it */
    uint64_t words = begins(s.letter) & ~((in_line | signs) << 1);
    uint64_t begin = begins(white) | (in_line & ~(s.blank >> 1)) | signs;
    const uint64_t after_line = in_line & (s.newline & white) << 1, quotes = signs & s.quote;
    if (after_line)
        begin |= indents(in_line, after_line, s.newline);
    if (quotes)
        begin |= contractions(p, quotes, true, &words);
    if (s.digit)
        begin |= threes ? by_threes(s.digit) : s.digit;
    return certain(begin | words, known, s.blank);
}

uint64_t ts_block_llama3(const unsigned char *p) { return block_cl100k(p, true); }
uint64_t ts_block_qwen(const unsigned char *p) { return block_cl100k(p, false); }
