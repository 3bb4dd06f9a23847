/* Patterns of dotted names, such as "layers.{0-11}.mlp". */
#ifndef TS_BASE_PATTERN_H
#define TS_BASE_PATTERN_H
#include <stdbool.h>

/* Whether the name has the pattern as whole parts, one after another. A part {*} is any number, {3},
 * {0-11,20} some. */
bool ts_name_has(const char *name, const char *pattern);
#endif
