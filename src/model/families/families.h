/* The families, one file each; the list stands in families.c. */
#ifndef TS_MODEL_FAMILIES_FAMILIES_H
#define TS_MODEL_FAMILIES_FAMILIES_H
#include "model/families/config.h"

extern const ts_family ts_family_llama;
extern const ts_family ts_family_qwen2;
extern const ts_family ts_family_qwen3;
extern const ts_family ts_family_mistral;
extern const ts_family ts_family_gpt2;
extern const ts_family ts_family_gpt_neox;
extern const ts_family ts_family_starcoder2;
extern const ts_family ts_family_olmo2;
extern const ts_family ts_family_phi3;
extern const ts_family ts_family_gemma;
extern const ts_family ts_family_gemma2;
extern const ts_family ts_family_gemma3;
extern const ts_family ts_family_glm;
extern const ts_family ts_family_glm4;
extern const ts_family ts_family_internlm2;
extern const ts_family ts_family_arcee;
extern const ts_family ts_family_nemotron;
extern const ts_family ts_family_stablelm;

/* What all have in common; no family itself. */
extern const ts_family ts_family_base;

/* Norms before a part, after it, or both: OLMo 2 to Gemma 3. */
extern const ts_name_row ts_norms_around_names[];
#endif
