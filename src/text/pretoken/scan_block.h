/* The scanners' quick way through ASCII: all pieces of 64 bytes at once, by arithmetic on sets of
 * places (bit i is the byte i) where the scanner would look at one byte after the other. */
#ifndef TS_TEXT_PRETOKEN_SCAN_BLOCK_H
#define TS_TEXT_PRETOKEN_SCAN_BLOCK_H
#include "base/str.h"

enum {
    TS_BLOCK = 64,
    TS_BLOCK_ROOM = 80 /* bytes that must be readable: a word's key is made of 16 */
};

/* The ends of the first pieces of the text at p, where a piece begins: bit i > 0 stands for an end
 * before the byte i. Only ends that nothing behind the 64 bytes and no character beyond ASCII could
 * move are given; 0: none is. TS_BLOCK_ROOM bytes are readable. */
typedef uint64_t ts_block_fn(const unsigned char *p);

ts_block_fn ts_block_gpt2, ts_block_llama3, ts_block_qwen;

/* Where in 64 bytes the kinds of characters are. */
typedef struct ts_block_sets {
    uint64_t letter, digit, blank, space, newline, quote, wide;
} ts_block_sets;

/* blank: white space of all kinds; space: of these the ' '; newline: \n and \r; quote: '\'';
 * wide: bytes beyond ASCII. The second is the same for every machine. */
void ts_block_classify(const unsigned char *p, ts_block_sets *out);
void ts_block_classify_plain(const unsigned char *p, ts_block_sets *out);
#endif
