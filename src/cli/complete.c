#include "cli/pages.h"

#include <string.h>

typedef struct part {
    const ts_command *cmd;
    ts_str *out;
    bool choices; /* bash: the second pass, over rows that have choices */
} part;

static bool takes_value(const ts_option *r)
{
    return r->type == TS_OPTION_NOTE ? r->lo != 0
                                     : r->type != TS_OPTION_FLAG && r->type != TS_OPTION_NOFLAG;
}

/* Text between single quotes of a shell; n bytes. escaped: bytes that the place gives a meaning. */
static ts_status put_quoted(ts_str *out, const char *s, const char *escaped)
{
    for (; *s; s++) {
        if (*s == '\'')
            TS_TRY(ts_str_puts(out, "'\\''"));
        else if (strchr(escaped, *s))
            TS_TRY(ts_str_printf(out, "\\%c", *s));
        else
            TS_TRY(ts_str_add(out, s, 1));
    }
    return TS_OK;
}

/* "a|b|c" with blanks between; of each its first spelling. */
static ts_status put_choices(ts_str *out, const char *choices)
{
    for (const char *c = choices; *c; c += strcspn(c, "|"), c += *c == '|')
        TS_TRY(ts_str_printf(out, "%s%.*s", c == choices ? "" : " ", (int)strcspn(c, "|,"), c));
    return TS_OK;
}

/* ---- bash: the names of options, then the choices of those that have some ---- */

static ts_status bash_row(void *ctx, const ts_option *r, bool begins)
{
    const part *p = ctx;
    (void)begins;
    if (!p->choices)
        return ts_str_printf(p->out, " --%s", r->name);
    if (r->type != TS_OPTION_CHOICE)
        return TS_OK;
    TS_TRY(ts_str_printf(p->out, "        %s:--%s) words='", p->cmd->name, r->name));
    TS_TRY(put_choices(p->out, r->choices));
    return ts_str_puts(p->out, "' ;;\n");
}

static ts_status bash(part *p, const ts_option_set *set)
{
    TS_TRY(ts_str_printf(p->out, "        %s:--) words='--help --config", p->cmd->name));
    TS_TRY(ts_option_walk(set, bash_row, p));
    TS_TRY(ts_str_puts(p->out, "' ;;\n"));
    p->choices = true;
    return ts_option_walk(set, bash_row, p);
}

/* ---- zsh: one specification an option for _arguments ---- */

static ts_status zsh_row(void *ctx, const ts_option *r, bool begins)
{
    const part *p = ctx;
    (void)begins;
    TS_TRY(ts_str_printf(p->out, "            '*--%s[", r->name));
    TS_TRY(put_quoted(p->out, r->help ? r->help : "accepted, without effect here", "[]:\\"));
    TS_TRY(ts_str_puts(p->out, "]"));
    if (r->type == TS_OPTION_CHOICE) {
        TS_TRY(ts_str_puts(p->out, ":value:("));
        TS_TRY(put_choices(p->out, r->choices));
        TS_TRY(ts_str_puts(p->out, ")"));
    } else if (takes_value(r)) {
        TS_TRY(ts_str_printf(p->out, ":value:%s",
                             r->type == TS_OPTION_INT || r->type == TS_OPTION_REAL ? " " : "_files"));
    }
    return ts_str_puts(p->out, "'\n");
}

static ts_status zsh(part *p, const ts_option_set *set)
{
    TS_TRY(ts_str_printf(p->out, "    %s)\n        specs=(\n", p->cmd->name));
    TS_TRY(ts_option_walk(set, zsh_row, p));
    return ts_str_puts(p->out, "        ) ;;\n");
}

/* ---- fish: one line an option ---- */

static ts_status fish_row(void *ctx, const ts_option *r, bool begins)
{
    const part *p = ctx;
    (void)begins;
    TS_TRY(ts_str_printf(p->out, "complete -c tessera -n '__fish_seen_subcommand_from %s' -l '%s'",
                         p->cmd->name, r->name));
    if (r->type == TS_OPTION_CHOICE) {
        TS_TRY(ts_str_puts(p->out, " -x -a '"));
        TS_TRY(put_choices(p->out, r->choices));
        TS_TRY(ts_str_puts(p->out, "'"));
    } else if (takes_value(r)) {
        TS_TRY(ts_str_puts(p->out, " -r"));
    }
    TS_TRY(ts_str_puts(p->out, " -d '"));
    TS_TRY(put_quoted(p->out, r->help ? r->help : "accepted, without effect here", "\\"));
    return ts_str_puts(p->out, "'\n");
}

ts_status ts_page_complete(const char *shell, const ts_command *cmd, const ts_option_set *set,
                           ts_str *out)
{
    part p = { cmd, out, false };
    if (!strcmp(shell, "bash"))
        return bash(&p, set);
    if (!strcmp(shell, "zsh"))
        return zsh(&p, set);
    return ts_option_walk(set, fish_row, &p);
}
