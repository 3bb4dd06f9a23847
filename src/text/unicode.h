/* Properties of characters as the Hugging Face library sees them. Its parts follow different
 * versions of Unicode: the pattern engine 16.0, punctuation 8.0, lower case 17.0; utf8proc 15.0
 * is the base and unicode_diff.h holds the differences. */
#ifndef TS_TEXT_UNICODE_H
#define TS_TEXT_UNICODE_H
#include "base/str.h"

enum {
    TS_UC_L = 1,      /* letter */
    TS_UC_N = 2,      /* number */
    TS_UC_WS = 4,     /* White_Space */
    TS_UC_M = 8,      /* mark */
    TS_UC_P = 16,     /* punctuation */
    TS_UC_S = 32,     /* symbol */
    TS_UC_UPPER = 64, /* Lu, Lt (L too) */
    TS_UC_LOWER = 128 /* Ll (L too) */
};

/* Flags of every character in blocks of 256; alike blocks are kept once. */
typedef struct ts_unicode {
    uint8_t *flags; /* [blocks * 256] */
    uint16_t block[0x1100];
} ts_unicode;

ts_status ts_unicode_create(ts_unicode **out) TS_NODISCARD;
void ts_unicode_destroy(ts_unicode **u);

static inline unsigned ts_unicode_flags(const ts_unicode *u, uint32_t c)
{
    return u->flags[(size_t)u->block[c >> 8] << 8 | (c & 255)];
}

/* Decodes the character at p, which is valid UTF-8. */
static inline uint32_t ts_utf8_next(const unsigned char *p, size_t *len)
{
    if (p[0] < 0x80)
        return *len = 1, p[0];
    if (p[0] < 0xE0)
        return *len = 2, (p[0] & 0x1Fu) << 6 | (p[1] & 0x3Fu);
    if (p[0] < 0xF0)
        return *len = 3, (p[0] & 0x0Fu) << 12 | (p[1] & 0x3Fu) << 6 | (p[2] & 0x3Fu);
    return *len = 4,
           (p[0] & 0x07u) << 18 | (p[1] & 0x3Fu) << 12 | (p[2] & 0x3Fu) << 6 | (p[3] & 0x3Fu);
}

/* Length of the character that a first byte of valid UTF-8 announces. */
static inline size_t ts_utf8_width(unsigned char b)
{
    return b < 0x80 ? 1 : b < 0xE0 ? 2 : b < 0xF0 ? 3 : 4;
}

int ts_char_category(uint32_t c); /* a UTF8PROC_CATEGORY_ value, Unicode 16.0 */
/* Blocks of 256 characters whose category is that of the first. */
bool ts_char_block_is_uniform(uint32_t block);
/* Full case folding: 1 to 3 characters, then zeros. */
size_t ts_char_fold(uint32_t c, uint32_t out[3]);
bool ts_char_is_space(uint32_t c);
bool ts_char_is_punctuation(
    uint32_t c); /* ASCII punctuation and symbols, and what Unicode 8 calls P */
bool ts_char_is_word(uint32_t c);        /* \w of Rust's regular expressions */
bool ts_char_is_removed_control(uint32_t c); /* what BERT's clean_text drops, blanks apart */
bool ts_char_is_mark(uint32_t c);        /* what StripAccents drops */
bool ts_char_is_accent(uint32_t c);      /* what BertNormalizer drops when stripping accents */
bool ts_char_has_fixed_form(uint32_t c); /* untouched by every normalisation form */
/* Lower case by full, context-free mapping: 1 to 3 characters into out. */
size_t ts_char_lower(uint32_t c, uint32_t out[3]);

/* The 256 characters of GPT-2's byte alphabet, and back (-1: not of it). */
uint32_t ts_byte_to_char(unsigned char b);
int ts_char_to_byte(uint32_t c);

/* Appends s with every ill-formed part replaced by U+FFFD, one for each maximal part. */
ts_status ts_utf8_lossy(ts_str *out, const char *s, size_t n) TS_NODISCARD;
#endif
