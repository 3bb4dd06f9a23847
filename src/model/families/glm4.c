/* GLM-4-0414, GLM-Z1: GLM with norms after each part too. */
#include "model/families/families.h"

static const ts_config_row rows[] = {
    TS_FIXED(post_norm, true),
    { TS_CONFIG_END },
};

const ts_family ts_family_glm4 = { .model_type = "glm4", .architecture = "Glm4ForCausalLM",
                                   .base = &ts_family_glm, .rows = rows };
