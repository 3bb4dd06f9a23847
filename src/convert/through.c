#include "convert/through.h"

#include "base/file.h"
#include "convert/scaled.h"

#include <string.h>
#include <unistd.h>

bool ts_convert_is_packed(const ts_convert_model *m)
{
    const json_t *q = json_object_get(m->config, "quantization_config");
    const char *method = json_string_value(json_object_get(q, "quant_method"));
    return m->tensors && (ts_convert_is_scaled(m) || (method && !strcmp(method, "bitsandbytes")));
}

ts_status ts_convert_through(const char *beside, ts_convert_options *to, ts_convert_options *from, ts_convert_model *m,
                             ts_convert_result *r)
{
    const char *slash = strrchr(m->path, '/');
    ts_str path = { 0 };
    ts_status st = ts_str_printf(&path, "%s.tmp-%d", beside, (int)getpid());
    const size_t n = path.len;
    if (st == TS_OK)
        st = ts_mkdirs(path.s);
    if (st == TS_OK)
        st = ts_str_printf(&path, "/%s", slash ? slash + 1 : m->path);
    to->save_type = TS_CONVERT_SAVE_HF;
    to->unpacked = ts_convert_is_packed(m);
    to->save_dir = from->load_dir = ts_str_text(&path);
    if (st == TS_OK)
        st = ts_convert_hf_writer.write(to, m, r);
    if (st == TS_OK)
        st = ts_convert_run(from, r);
    if (path.len) {
        path.s[n] = 0;
        const ts_status removed = ts_remove_tree(path.s);
        st = st == TS_OK ? removed : st;
    }
    ts_str_deinit(&path);
    return st;
}
