#include "data/md5.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static uint32_t rotate(uint32_t x, int n) { return x << n | x >> (32 - n); }

/* The RFC's constants are the sine's first 32 bits behind the point. */
static void block(uint32_t h[4], const unsigned char *p)
{
    static const unsigned char turn[4][4] = {
        { 7, 12, 17, 22 }, { 5, 9, 14, 20 }, { 4, 11, 16, 23 }, { 6, 10, 15, 21 }
    };
    uint32_t m[16], a = h[0], b = h[1], c = h[2], d = h[3];
    memcpy(m, p, sizeof m); /* little-endian, as all of this folder */
    for (int i = 0; i < 64; i++) {
        uint32_t f;
        int g;
        switch (i / 16) {
        case 0: f = (b & c) | (~b & d), g = i; break;
        case 1: f = (d & b) | (~d & c), g = 5 * i + 1; break;
        case 2: f = b ^ c ^ d, g = 3 * i + 5; break;
        default: f = c ^ (b | ~d), g = 7 * i; break;
        }
        f += a + m[g % 16] + (uint32_t)(fabs(sin(i + 1)) * 0x1p32);
        a = d, d = c, c = b;
        b += rotate(f, turn[i / 16][i % 4]);
    }
    h[0] += a, h[1] += b, h[2] += c, h[3] += d;
}

void ts_md5_hex(const void *data, size_t n, char out[33])
{
    uint32_t h[4] = { 0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476 };
    const unsigned char *p = data;
    unsigned char tail[128] = { 0 };
    const uint64_t bits = (uint64_t)n * 8;
    size_t left = n;
    for (; left >= 64; left -= 64, p += 64)
        block(h, p);
    if (left)
        memcpy(tail, p, left);
    tail[left] = 0x80;
    const size_t last = left < 56 ? 64 : 128;
    memcpy(tail + last - 8, &bits, 8);
    for (size_t i = 0; i < last; i += 64)
        block(h, tail + i);
    for (int i = 0; i < 16; i++)
        snprintf(out + 2 * i, 3, "%02x", (unsigned)(h[i / 4] >> (i % 4 * 8) & 255));
}
