/* NFC, NFD, NFKC, NFKD. Nearly all text is made of characters that normalisation neither changes
 * nor joins; only the stretches between those go through utf8proc. */
#include "text/normalize/normalize.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#ifdef TESSERA_FUZZ /* the table would be most of what each short run does */
enum { STABLE_END = 0x400 };
#else
enum { STABLE_END = 0x30000 }; /* characters beyond are looked at one by one */
#endif

static ts_status through_utf8proc(const ts_norm_op *op, const char *s, size_t n, ts_str *out)
{
    const utf8proc_option_t how = UTF8PROC_STABLE |
                                  (op->compose ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE) |
                                  (op->compat ? UTF8PROC_COMPAT : 0);
    utf8proc_uint8_t *to = NULL;
    const utf8proc_ssize_t len =
        utf8proc_map((const utf8proc_uint8_t *)s, (utf8proc_ssize_t)n, &to, how);
    if (len < 0)
        return ts_error(len == UTF8PROC_ERROR_NOMEM ? TS_ERR_NOMEM : TS_ERR_USER,
                        "Unicode normalisation failed: %s", utf8proc_errmsg(len));
    const ts_status st = ts_str_add(out, (const char *)to, (size_t)len);
    free(to);
    return st;
}

/* Combining class 0, its own decomposition, and no second part of a composition. */
static bool looks_stable(const ts_norm_op *op, uint32_t c)
{
    if ((c >= 0xD800 && c < 0xE000) || ts_char_has_fixed_form(c))
        return true;
    const utf8proc_property_t *p = utf8proc_get_property((utf8proc_int32_t)c);
    if (p->combining_class != 0)
        return false;
    if (op->compose && ((c >= 0x1161 && c <= 0x1175) || (c >= 0x11A8 && c <= 0x11C2)))
        return false;
    if (c >= 0xAC00 && c <= 0xD7A3)
        return op->compose;
    const bool decomposes = p->decomp_seqindex != UINT16_MAX && (op->compat || p->decomp_type == 0);
    if (op->compose && p->comb_index != UINT16_MAX && p->comb_index >= 0x8000)
        return false;
    if (!decomposes)
        return true;
    if (!op->compose)
        return false;
    /* A composed character that decomposing and composing brings back. */
    char in[4];
    const size_t n = (size_t)ts_utf8_encode(c, in);
    ts_str out = { 0 };
    const bool same =
        through_utf8proc(op, in, n, &out) == TS_OK && out.len == n && !memcmp(out.s, in, n);
    ts_str_deinit(&out);
    return same;
}

ts_status ts_norm_form_init(ts_norm_op *op)
{
    TS_TRY(ts_alloc(&op->stable, STABLE_END / 8, 1));
    for (uint32_t c = 0; c < STABLE_END; c++) {
        /* Whole blocks of ideographs are as their first, Hangul syllables likewise. */
        const uint32_t b = c >> 8;
        const bool like_before = ((b > 0x34 && b < 0x4D) || (b > 0x4E && b < 0x9F) ||
                                  (b > 0xAC && b < 0xD7) || (b > 0x200 && b < 0x2A6)) &&
                                 (c & 255);
        const bool stable =
            like_before ? op->stable[(c - 1) >> 3] >> ((c - 1) & 7) & 1 : looks_stable(op, c);
        if (stable)
            op->stable[c >> 3] |= (uint8_t)(1u << (c & 7));
    }
    return TS_OK;
}

static inline bool is_stable(const ts_norm_op *op, uint32_t c)
{
    if (c < STABLE_END)
        return op->stable[c >> 3] >> (c & 7) & 1;
    return looks_stable(op, c);
}

/* p past all stable characters; *last is where the last of them begins. */
static const char *skip_stable(const ts_norm_op *op, const char *p, const char *end,
                               const char **last)
{
    size_t len;
    while (p < end) {
        if ((unsigned char)*p < 0x80) {
            *last = p++;
            continue;
        }
        if (!is_stable(op, ts_utf8_next((const unsigned char *)p, &len)))
            break;
        *last = p;
        p += len;
    }
    return p;
}

bool ts_norm_form_is_idle(const ts_norm_op *op, const char *s, size_t n)
{
    const char *last;
    return skip_stable(op, s, s + n, &last) == s + n;
}

ts_status ts_norm_form(const ts_norm_op *op, const char *s, size_t n, ts_str *out)
{
    const char *end = s + n;
    size_t len;
    while (s < end) {
        const char *last = s, *p = skip_stable(op, s, end, &last);
        if (p == end)
            break;
        /* From the stable character before the first that is not, up to the next stable one. */
        if (ts_char_has_fixed_form(ts_utf8_next((const unsigned char *)last, &len)))
            last = p; /* nothing may act on that one */
        TS_TRY(ts_str_add(out, s, (size_t)(last - s)));
        s = last;
        for (; p < end; p += len)
            if (is_stable(op, ts_utf8_next((const unsigned char *)p, &len)))
                break;
        TS_TRY(through_utf8proc(op, s, (size_t)(p - s), out));
        s = p;
    }
    return ts_str_add(out, s, (size_t)(end - s));
}
