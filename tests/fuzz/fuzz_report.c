#include "fuzz.h"
#include "io/crc32c.h"
#include "report/dump_diff.h"
#include "report/page.h"

enum { METRICS, EVENTS, LOG, DUMP, KINDS };

/* A page of whatever was read: the names in it are users' text, so it must not hold their tags. */
static void draw(ts_report_run *run)
{
    const ts_report r = { "title", run, 1 };
    ts_str page = { 0 };
    if (ts_strdup("run", &run->name) != TS_OK || ts_report_page(&r, &page) != TS_OK)
        abort();
    const char *end = strstr(page.s, "</html>");
    if (!end || end[8] || strstr(page.s, "<b>"))
        abort();
    ts_str_deinit(&page);
}

static void read_run(const char *path)
{
    ts_report_run run = { 0 };
    const ts_status st = ts_report_read_run(&run, path);
    if (st == TS_OK)
        draw(&run);
    else if (!*ts_error_message())
        abort();
    ts_report_run_deinit(&run);
}

/* The bytes as records with good checksums, 64 at a time: what is in them is to be read. */
static void write_events(const uint8_t *data, size_t size)
{
    uint8_t out[4096];
    size_t n = 0;
    while (size && n + 80 < sizeof out) {
        const uint64_t k = size < 64 ? size : 64;
        const uint32_t head = ts_crc32c_mask(ts_crc32c(0, &k, sizeof k)),
                       tail = ts_crc32c_mask(ts_crc32c(0, data, k));
        memcpy(out + n, &k, 8);
        memcpy(out + n + 8, &head, 4);
        memcpy(out + n + 12, data, k);
        memcpy(out + n + 12 + k, &tail, 4);
        n += 16 + k, data += k, size -= k;
    }
    fuzz_write("events.out.tfevents.1", out, n);
}

/* Beside itself a dump is the same. */
static void read_dump(void)
{
    ts_dump_comparison c;
    if (ts_dumps_compare(fuzz_folder(), fuzz_folder(), 0, &c) != TS_OK)
        return;
    for (size_t i = 0; i < c.n; i++)
        if (c.v[i].verdict != TS_DUMPS_SAME && c.v[i].verdict != TS_DUMPS_APART)
            abort();
    ts_dump_comparison_deinit(&c);
}

/* The first byte: what the rest is. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[FUZZ_PATH];
    if (size < 1)
        return 0;
    const int kind = data[0] % KINDS;
    data++, size--;
    if (kind == EVENTS) {
        write_events(data, size);
        read_run(fuzz_path("events.out.tfevents.1", path));
    } else if (kind == DUMP) {
        fuzz_write("rank_00000.jsonl", data, size);
        read_dump();
    } else {
        static const char step[] = "{\"iteration\": 1, \"lm_loss\": 2}\n";
        fuzz_write("metrics.jsonl", kind == LOG ? (const uint8_t *)step : data,
                   kind == LOG ? sizeof step - 1 : size);
        if (kind == LOG)
            fuzz_write("train.log", data, size);
        read_run(kind == LOG ? fuzz_folder() : fuzz_path("metrics.jsonl", path));
    }
    fuzz_remove("train.log");
    fuzz_remove("metrics.jsonl");
    fuzz_remove("rank_00000.jsonl");
    fuzz_remove("events.out.tfevents.1");
    return 0;
}
