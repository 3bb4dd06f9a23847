/* The families, one file each; the list stands in family.c. */
#ifndef TS_MODEL_FAMILIES_H
#define TS_MODEL_FAMILIES_H
#include "model/family.h"

extern const ts_family ts_family_llama;

/* Shared by the families whose tensors are named as Llama's. */
extern const ts_name_row ts_llama_names[];
#endif
