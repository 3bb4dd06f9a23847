/* Reading configurations for the tests of src/model. Include after cmocka.h and unit/temp.h. */
#ifndef TS_TESTS_MODEL_GOLDEN_H
#define TS_TESTS_MODEL_GOLDEN_H
#include "model/family.h"

#include <string.h>

static inline json_t *golden_read(const char *path)
{
    json_t *o = NULL;
    OK(ts_json_read(path, &o));
    assert_true(json_is_array(o) && json_array_size(o) > 0);
    return o;
}

static inline const char *golden_text(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    assert_non_null(s);
    return s;
}

static inline int64_t golden_int(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    assert_true(json_is_integer(v));
    return json_integer_value(v);
}

/* What the program does with a config.json. */
static inline ts_status golden_arch(const json_t *config, const ts_family **family, ts_arch *a)
{
    ts_arch_init(a);
    TS_TRY(ts_family_of(config, "x/config.json", family));
    TS_TRY(ts_family_read(*family, config, "x/config.json", a));
    return ts_arch_check(a, "x/config.json");
}
#endif
