/* The built-in tasks: files in the program (CMakeLists.txt). */
#ifndef TS_EVAL_TASK_FILES_H
#define TS_EVAL_TASK_FILES_H
#include <stddef.h>

typedef struct ts_eval_task_file {
    const char *name, *text; /* text [size] */
    size_t size;
} ts_eval_task_file;
extern const ts_eval_task_file ts_eval_task_files[];
extern const size_t ts_eval_task_file_count;
#endif
