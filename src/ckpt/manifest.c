#include "ckpt/manifest.h"

#include "base/file.h"
#include "ckpt/names.h"
#include "io/crc32c.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A manifest begins with these bytes in all versions, then eight digits: the checksum of the whole
 * text with zeros in their place. */
static const char head[] = "{\n  \"format\": \"tessera-checkpoint\",\n  \"checksum\": \"";
static const char no_checksum[] = "00000000";

enum { HEAD = sizeof head - 1, DIGITS = 8, MAX_MANIFEST = 1 << 30 };

ts_status ckpt_manifest_entry(ts_str *entries, const char *name, const ckpt_sums *s)
{
    TS_TRY(ts_str_puts(entries, entries->len ? ",\n    " : "\n    "));
    TS_TRY(ts_str_json(entries, name, strlen(name)));
    return ts_str_printf(entries, ": {\"size\": %zu, \"crc32c\": \"%s\"}", s->size,
                         ts_str_text(&s->hex));
}

static uint32_t text_checksum(const char *text, size_t n)
{
    uint32_t crc = ts_crc32c(0, text, HEAD);
    crc = ts_crc32c(crc, no_checksum, DIGITS);
    return ts_crc32c(crc, text + HEAD + DIGITS, n - HEAD - DIGITS);
}

ts_status ckpt_manifest_text(const ckpt_manifest *m, const char *entries, ts_str *out)
{
    char digits[DIGITS + 1];
    ts_str_reset(out);
    TS_TRY(ts_str_printf(out, "%s%s\",\n  \"version\": %d,\n  \"iteration\": %" PRId64, head,
                         no_checksum, CKPT_VERSION, m->iteration));
    TS_TRY(ts_str_printf(out, ",\n  \"sequence\": %" PRId64 ",\n  \"world_size\": %" PRId64,
                         m->sequence, m->world_size));
    TS_TRY(ts_str_printf(
        out, ",\n  \"saved_at\": \"%s\",\n  \"chunk_bytes\": %" PRId64 ",\n  \"files\": {",
        m->saved_at, m->chunk));
    TS_TRY(ts_str_puts(out, entries));
    TS_TRY(ts_str_puts(out, "\n  }\n}\n"));
    snprintf(digits, sizeof digits, "%08" PRIx32, text_checksum(out->s, out->len));
    memcpy(out->s + HEAD, digits, DIGITS);
    return TS_OK;
}

bool ckpt_manifest_syndrome(const char *text, size_t n, uint32_t *out)
{
    char digits[DIGITS + 1] = { 0 };
    if (n < HEAD + DIGITS)
        return false;
    memcpy(digits, text + HEAD, DIGITS);
    if (strspn(digits, "0123456789abcdef") != DIGITS)
        return false;
    *out = (uint32_t)strtoul(digits, NULL, 16) ^ text_checksum(text, n);
    return true;
}

static ts_status check_text(const char *text, size_t n, const char *name)
{
    char digits[DIGITS + 1];
    if (n < HEAD + DIGITS || memcmp(text, head, HEAD))
        return ts_error(TS_ERR_USER, "%s: damaged: does not begin as a checkpoint's manifest does",
                        name);
    snprintf(digits, sizeof digits, "%08" PRIx32, text_checksum(text, n));
    if (memcmp(text + HEAD, digits, DIGITS))
        return ts_error(TS_ERR_USER, "%s: damaged: its checksum is %s, but it says %.8s", name,
                        digits, text + HEAD);
    return TS_OK;
}

static ts_status parse_file(const char *file, const json_t *v, const char *name, int64_t chunk,
                            ckpt_file *out)
{
    if (!ckpt_is_plain_name(file) || !strcmp(file, CKPT_MANIFEST))
        return ts_error(TS_ERR_USER, "%s: files: \"%.80s\" is not the plain name of a file", name,
                        file);
    if (!json_is_object(v))
        return ts_error(TS_ERR_USER, "%s: files: %s must have size and crc32c", name, file);
    out->name = file;
    TS_TRY(ts_json_int(v, name, "size", -1, 0, INT64_MAX, &out->size));
    TS_TRY(ts_json_text(v, name, "crc32c", NULL, &out->hex));
    if (out->size < 0 || !out->hex)
        return ts_error(TS_ERR_USER, "%s: files: %s lacks size or crc32c", name, file);
    const int64_t chunks = out->size / chunk + (out->size % chunk != 0);
    const size_t digits = json_string_length(json_object_get(v, "crc32c"));
    if (digits % DIGITS || (int64_t)(digits / DIGITS) != chunks ||
        strspn(out->hex, "0123456789abcdef") != digits)
        return ts_error(TS_ERR_USER,
                        "%s: files: %s has %zu digits of checksums, expected 8 for each of %lld "
                        "chunks",
                        name, file, digits, (long long)chunks);
    return TS_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const ckpt_file *)a)->name, ((const ckpt_file *)b)->name);
}

static ts_status parse_files(const char *name, ckpt_manifest *m)
{
    const json_t *files = json_object_get(m->root, "files");
    const char *key;
    json_t *v;
    if (!json_is_object(files))
        return ts_error(TS_ERR_USER, "%s: has no list of files", name);
    TS_TRY(ts_alloc(&m->files, json_object_size(files), sizeof *m->files));
    json_object_foreach((json_t *)(uintptr_t)files, key, v)
        TS_TRY(parse_file(key, v, name, m->chunk, &m->files[m->n++]));
    qsort(m->files, m->n, sizeof *m->files, by_name);
    if (!ckpt_manifest_find(m, CKPT_STATE))
        return ts_error(TS_ERR_USER, "%s: does not list %s", name, CKPT_STATE);
    return TS_OK;
}

static ts_status parse_head(const char *name, ckpt_manifest *m)
{
    int64_t version;
    if (!json_is_object(m->root))
        return ts_error(TS_ERR_USER, "%s: must be a JSON object", name);
    TS_TRY(ts_json_int(m->root, name, "version", 0, 1, INT64_MAX, &version));
    if (version > CKPT_VERSION) {
        m->is_newer = true;
        return ts_error(TS_ERR_USER,
                        "%s: was written by a later version of Tessera (format %lld; this "
                        "program knows up to %d)",
                        name, (long long)version, CKPT_VERSION);
    }
    TS_TRY(ts_json_int(m->root, name, "iteration", -1, 0, INT64_MAX, &m->iteration));
    TS_TRY(ts_json_int(m->root, name, "sequence", -1, 1, INT64_MAX - 1, &m->sequence));
    TS_TRY(ts_json_int(m->root, name, "world_size", -1, 1, INT32_MAX, &m->world_size));
    TS_TRY(ts_json_int(m->root, name, "chunk_bytes", -1, 1, CKPT_MAX_CHUNK, &m->chunk));
    TS_TRY(ts_json_text(m->root, name, "saved_at", NULL, &m->saved_at));
    if (version < 1 || m->iteration < 0 || m->sequence < 0 || m->world_size < 0 || m->chunk < 0 ||
        !m->saved_at)
        return ts_error(TS_ERR_USER,
                        "%s: version, iteration, sequence, world_size, chunk_bytes or saved_at "
                        "is missing",
                        name);
    return TS_OK;
}

ts_status ckpt_manifest_parse(const char *text, size_t n, const char *name, ckpt_manifest *out)
{
    ckpt_manifest m = { 0 };
    TS_TRY(check_text(text, n, name));
    ts_status st = ts_json_parse(text, n, name, &m.root);
    if (st == TS_OK)
        st = parse_head(name, &m);
    if (st == TS_OK)
        st = parse_files(name, &m);
    if (st != TS_OK) {
        const bool is_newer = m.is_newer;
        ckpt_manifest_deinit(&m);
        m.is_newer = is_newer;
    }
    *out = m;
    return st;
}

ts_status ckpt_manifest_read(const char *folder, ckpt_manifest *out)
{
    ts_str path = { 0 }, text = { 0 };
    struct stat sb;
    *out = (ckpt_manifest){ 0 };
    ts_status st = ts_path_join(&path, folder, CKPT_MANIFEST);
    if (st == TS_OK && stat(path.s, &sb) < 0)
        st = ts_error(TS_ERR_USER, "%s: is missing", path.s);
    else if (st == TS_OK && (!S_ISREG(sb.st_mode) || sb.st_size > MAX_MANIFEST))
        st = ts_error(TS_ERR_USER, "%s: is not a manifest: no file, or too large", path.s);
    if (st == TS_OK)
        st = ts_file_read(path.s, &text);
    if (st == TS_OK)
        st = ckpt_manifest_parse(ts_str_text(&text), text.len, path.s, out);
    ts_str_deinit(&text);
    ts_str_deinit(&path);
    return st;
}

void ckpt_manifest_deinit(ckpt_manifest *m)
{
    ts_free(&m->files);
    if (m->root)
        json_decref(m->root);
    *m = (ckpt_manifest){ 0 };
}

const ckpt_file *ckpt_manifest_find(const ckpt_manifest *m, const char *name)
{
    const ckpt_file key = { .name = name };
    return m->n ? bsearch(&key, m->files, m->n, sizeof key, by_name) : NULL;
}
