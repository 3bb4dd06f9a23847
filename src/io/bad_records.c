#include "io/bad_records.h"

#include "base/log.h"

enum { MOST_NAMED = 1000 };

void ts_bad_records_add(ts_bad_records *b, const char *why)
{
    b->n++;
    if (b->n <= MOST_NAMED)
        ts_log(TS_LOG_WARN, "left out: %s", why);
    else if (b->n == MOST_NAMED + 1)
        ts_log(TS_LOG_WARN, "left out: more than %d records; further ones are only counted",
               MOST_NAMED);
}

void ts_bad_records_say(const ts_bad_records *b, int64_t good)
{
    if (b->n)
        ts_log(TS_LOG_WARN, "%lld of %lld records were bad and left out (--on-bad-record skip)",
               (long long)b->n, (long long)(b->n + good));
}
