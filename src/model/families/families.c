#include "model/families/families.h"

#define ENTRY(name_) &ts_family_##name_,
const ts_family *const ts_families[] = { TS_FAMILIES(ENTRY) NULL };
