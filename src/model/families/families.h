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

/* Names that more than one family has. */
extern const ts_name_row ts_llama_names[];
extern const ts_name_row ts_gemma2_names[];
extern const ts_name_row ts_plain_names[];

/* What one family gives to its successors. */
ts_status ts_gemma_read(const json_t *o, const char *file, const ts_config_defaults *d,
                        ts_arch *a) TS_NODISCARD;
ts_status ts_gemma_write(const ts_arch *a, const ts_config_defaults *d, json_t *o) TS_NODISCARD;
ts_status ts_gemma2_scale(const json_t *o, const char *file, ts_arch *a) TS_NODISCARD;
ts_status ts_gemma2_write_scale(const ts_arch *a, json_t *o) TS_NODISCARD;
ts_status ts_glm_read(const json_t *o, const char *file, ts_arch *a) TS_NODISCARD;
ts_status ts_glm_write(const ts_arch *a, json_t *o) TS_NODISCARD;
/* Biases and a plain MLP: Arcee to Nemotron. */
ts_status ts_plain_read(const json_t *o, const char *file, ts_arch *a) TS_NODISCARD;
ts_status ts_plain_write(const ts_arch *a, json_t *o) TS_NODISCARD;
#endif
