/* Published models by name. */
#ifndef TS_MODEL_PRESETS_H
#define TS_MODEL_PRESETS_H
#include "base/str.h"
#include "model/arch.h"

typedef struct ts_preset {
    const char *name;
    const char *config;  /* JSON, as a config.json, or a description; NULL: it cannot be made */
    const char *missing; /* what it needs, by name; NULL: nothing */
} ts_preset;
extern const ts_preset ts_presets[];
extern const size_t ts_preset_count;

/* The description; `a` must be initialised. TS_ERR_USER for a name that is none, and for a model that needs
 * what there is not. */
ts_status ts_preset_read(const char *name, ts_arch *a) TS_NODISCARD;
/* A line each. */
ts_status ts_preset_list(ts_str *out) TS_NODISCARD;
#endif
