#include "convert/convert.h"

#include "api/words.h"

ts_status ts_convert(const char *folder, const char *const *options, size_t n,
                     ts_convert_result *result)
{
    ts_convert_options o = { 0 };
    ts_convert_result r = { 0 };
    const ts_option_table table = { ts_convert_rows, ts_convert_count_rows, &o };
    ts_option_set *set;
    TS_NEED(folder);
    TS_TRY(ts_words_parse(&table, 1, options, n, &set));
    ts_status st = TS_OK;
    if (o.load_dir)
        st = ts_error(TS_ERR_USER, "ts_convert: folder %s and --load-dir %s: give one", folder,
                      o.load_dir);
    o.load_dir = folder;
    ts_convert_warn(&o, set);
    if (st == TS_OK)
        st = ts_convert_run(&o, &r);
    ts_option_set_destroy(&set);
    if (st == TS_OK && result)
        *result = r;
    return st;
}
