#include "fuzz.h"
#include "io/input.h"

#include <zlib.h>

/* The text as gzip, cut and with bytes changed as `how` says. */
static void put_packed(const uint8_t how[4], const uint8_t *text, size_t n)
{
    uint8_t packed[1 << 13];
    z_stream z = { 0 };
    if (deflateInit2(&z, how[0] % 10, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        abort();
    z.next_in = (Bytef *)(uintptr_t)text, z.avail_in = (uInt)(n < 1 << 12 ? n : 1 << 12);
    z.next_out = packed, z.avail_out = sizeof packed;
    if (deflate(&z, Z_FINISH) != Z_STREAM_END)
        abort();
    size_t len = sizeof packed - z.avail_out;
    deflateEnd(&z);
    if (how[1] & 1)
        packed[how[1] % len] ^= how[2];
    if (how[3] & 1)
        len -= how[3] % len;
    fuzz_write("packed", packed, len);
}

/* To its end in pieces; the sum of a text that was packed and not changed is the text's. */
static void read_all(const uint8_t *text, size_t n, bool same)
{
    enum { MOST = 1 << 24 }; /* a thousand times the input */
    char path[FUZZ_PATH], buf[1000];
    ts_input *in = NULL;
    size_t got = 0, sum = 0;
    if (ts_input_open(fuzz_path("packed", path), &in) != TS_OK) {
        if (!strstr(ts_error_message(), "packed"))
            abort();
        return;
    }
    do {
        if (ts_input_read(in, buf, sizeof buf, &got) != TS_OK) {
            if (!strstr(ts_error_message(), "packed"))
                abort();
            break;
        }
        if (got > sizeof buf || (same && (got > n - sum || memcmp(buf, text + sum, got))))
            abort();
        sum += got;
    } while (got == sizeof buf && sum < MOST);
    if (same && sum != n)
        abort();
    ts_input_close(&in);
}

/* First byte 'g': how it is packed, and a text to pack; else the file as it is. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    if (data[0] != 'g' || size < 5) {
        fuzz_write("packed", data + 1, size - 1);
        read_all(NULL, 0, false);
        return 0;
    }
    const uint8_t *how = data + 1, *text = data + 5;
    const size_t n = size - 5 < 1 << 12 ? size - 5 : 1 << 12;
    put_packed(how, text, n);
    /* (marks and magic numbers at a text's beginning have a meaning) */
    read_all(text, n, !(how[1] & 1) && !(how[3] & 1) && n && text[0] == 'a');
    return 0;
}
