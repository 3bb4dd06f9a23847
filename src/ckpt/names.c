#include "ckpt/names.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *ckpt_part_stem(ts_ckpt_part part)
{
    return part == TS_CKPT_MODEL ? "model" : "optimizer";
}

void ckpt_folder_name(char *out, const char *prefix, int64_t iteration)
{
    snprintf(out, CKPT_NAME, "%siter_%07" PRId64, prefix, iteration);
}

bool ckpt_folder_parse(const char *name, const char *prefix, int64_t *iteration)
{
    char again[CKPT_NAME];
    const size_t n = strlen(prefix) + strlen("iter_");
    if (strlen(name) <= n || strlen(name) > n + 18 ||
        strspn(name + n, "0123456789") != strlen(name + n))
        return false;
    const int64_t v = strtoll(name + n, NULL, 10);
    ckpt_folder_name(again, prefix, v);
    if (strcmp(again, name))
        return false;
    *iteration = v;
    return true;
}

bool ckpt_is_plain_name(const char *name)
{
    return *name && strlen(name) <= 255 && !strchr(name, '/') && !strchr(name, '\\') &&
           strcmp(name, ".") && strcmp(name, "..");
}

bool ckpt_tracker_parse(const char *text, size_t n, int64_t *iteration)
{
    if (n && text[n - 1] == '\n')
        n--;
    if (n < 1 || n > 18 || (n > 1 && *text == '0'))
        return false;
    int64_t v = 0;
    for (size_t i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        v = v * 10 + (text[i] - '0');
    }
    *iteration = v;
    return true;
}
