#include "base/pattern.h"

#include <stdlib.h>
#include <string.h>

/* A part of a name: up to the next dot or the end. */
static size_t part_length(const char *s) { return strcspn(s, "."); }

/* The number `n` characters long at s is one of "{*}", "{3}", "{0-3,7}". */
static bool in_braces(const char *braces, const char *s, size_t n)
{
    if (!n || strspn(s, "0123456789") < n)
        return false;
    if (!strncmp(braces, "{*}", 3))
        return true;
    const long v = strtol(s, NULL, 10);
    while (*braces == '{' || *braces == ',') {
        char *end;
        const long first = strtol(braces + 1, &end, 10);
        const long last = *end == '-' ? strtol(end + 1, &end, 10) : first;
        if (first <= v && v <= last)
            return true;
        braces = end;
    }
    return false;
}

/* "{*}" or numbers and ranges. */
static bool is_braces(const char *s, size_t n)
{
    if (n < 3 || s[0] != '{' || s[n - 1] != '}')
        return false;
    if (n == 3 && s[1] == '*')
        return true;
    for (size_t i = 1; i < n;) {
        size_t digits = strspn(s + i, "0123456789");
        if (digits && s[i + digits] == '-') {
            i += digits + 1;
            digits = strspn(s + i, "0123456789");
        }
        if (!digits || digits > 9 || !strchr(",}", s[i + digits]))
            return false;
        i += digits + 1;
    }
    return true;
}

/* The pattern's parts are those that the name begins with. */
static bool begins_with(const char *name, const char *pattern)
{
    for (;;) {
        const size_t n = part_length(name), k = part_length(pattern);
        const bool fits = is_braces(pattern, k) ? in_braces(pattern, name, n)
                                                : n == k && !strncmp(name, pattern, n);
        if (!fits || !pattern[k])
            return fits;
        if (!name[n])
            return false;
        name += n + 1, pattern += k + 1;
    }
}

bool ts_name_has(const char *name, const char *pattern)
{
    for (;;) {
        if (begins_with(name, pattern))
            return true;
        const size_t n = part_length(name);
        if (!name[n])
            return false;
        name += n + 1;
    }
}
