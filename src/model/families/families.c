#include "model/families/families.h"

const ts_family *const ts_families[] = {
    &ts_family_llama, &ts_family_qwen2,    &ts_family_qwen3,      &ts_family_mistral,
    &ts_family_gpt2,  &ts_family_gpt_neox, &ts_family_starcoder2, &ts_family_olmo2,
    &ts_family_phi3,  &ts_family_gemma,    &ts_family_gemma2,     &ts_family_gemma3,
    &ts_family_glm,   &ts_family_glm4,     &ts_family_internlm2,  &ts_family_arcee,
    &ts_family_nemotron, &ts_family_stablelm, NULL,
};
