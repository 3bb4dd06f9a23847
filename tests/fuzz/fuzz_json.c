#include "fuzz.h"
#include "base/json.h"

#include <string.h>

/* A configuration file: parse, then take every key as every type. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *root = NULL, *v;
    const char *key;
    if (ts_json_parse((const char *)data, size, "config.json", &root) != TS_OK) {
        if (!strstr(ts_error_message(), "config.json"))
            abort();
        return 0;
    }
    json_object_foreach(root, key, v) {
        int64_t n;
        double x;
        bool b;
        const char *s;
        (void)!ts_json_int(root, "config.json", key, 1, -10, 10, &n);
        (void)!ts_json_real(root, "config.json", key, 1, &x);
        (void)!ts_json_bool(root, "config.json", key, true, &b);
        if (ts_json_text(root, "config.json", key, "x", &s) == TS_OK &&
            ts_utf8_check(s, strlen(s)) != strlen(s))
            abort();
    }
    json_decref(root);
    return 0;
}
