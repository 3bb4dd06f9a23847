/* The files of this folder that the program carries. */
#ifndef TS_TEXT_PROMPT_PROMPT_FILES_H
#define TS_TEXT_PROMPT_PROMPT_FILES_H
#include <stddef.h>

extern const char ts_prompt_list[], ts_prompt_deepseek4[]; /* templates.json, deepseek4.jinja */
extern const size_t ts_prompt_list_size, ts_prompt_deepseek4_size;
#endif
