#include "cli/pages.h"

#include "tessera/version.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Text as roff takes it: no word is a request or an escape, a hyphen is the one that is typed, and letters that ASCII
 * does not have go by their numbers. Long lists of choices may be broken. */
static ts_status put(ts_str *out, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const bool begins_line = i == 0 ? out->len && out->s[out->len - 1] == '\n'
                                        : s[i - 1] == '\n';
        const int len = ts_utf8_len(&s[i], n - i);
        if (begins_line && (s[i] == '.' || s[i] == '\''))
            TS_TRY(ts_str_puts(out, "\\&"));
        if (s[i] == '-')
            TS_TRY(ts_str_puts(out, "\\-"));
        else if (s[i] == '\\')
            TS_TRY(ts_str_puts(out, "\\e"));
        else if (s[i] == '|' && i > 0 && isalnum((unsigned char)s[i - 1]))
            TS_TRY(ts_str_puts(out, "|\\:")); /* a line may end there */
        else if (len > 1) {
            TS_TRY(ts_str_printf(out, "\\[u%04X]", (unsigned)ts_utf8_decode(&s[i], len)));
            i += (size_t)len - 1;
        } else
            TS_TRY(ts_str_add(out, &s[i], 1));
    }
    return TS_OK;
}

static ts_status put_text(ts_str *out, const char *s) { return put(out, s, strlen(s)); }

static ts_status put_title(ts_str *out, const char *name, const char *summary)
{
    TS_TRY(ts_str_puts(out, ".TH "));
    for (const char *c = name; *c; c++)
        TS_TRY(ts_str_printf(out, "%c", toupper((unsigned char)*c)));
    TS_TRY(ts_str_printf(out, " 1 \"\" \"Tessera %s\" \"Tessera\"\n.SH NAME\n", ts_version()));
    TS_TRY(put_text(out, name));
    TS_TRY(ts_str_puts(out, " \\- "));
    TS_TRY(put_text(out, summary));
    return ts_str_puts(out, "\n");
}

/* Lines as they stand. */
static ts_status put_lines(ts_str *out, const char *s, size_t n)
{
    TS_TRY(ts_str_puts(out, ".nf\n"));
    TS_TRY(put(out, s, n));
    return ts_str_puts(out, "\n.fi\n");
}

typedef struct page {
    ts_str *out;
    bool options, notes; /* sections that have begun */
} page;

static ts_status put_value_word(ts_str *out, const ts_option *r)
{
    ts_str word = { 0 };
    ts_status st = ts_option_value_word(r, &word);
    if (st == TS_OK && word.len)
        st = ts_str_puts(out, "\\fR \\fI");
    if (st == TS_OK)
        st = put_text(out, ts_str_text(&word));
    ts_str_deinit(&word);
    return st;
}

static ts_status put_row(void *ctx, const ts_option *r, bool begins)
{
    page *p = ctx;
    if (r->type == TS_OPTION_NOTE) {
        TS_TRY(ts_str_puts(p->out, p->notes ? "\n" : ".SH ACCEPTED WITHOUT EFFECT\n"));
        p->notes = true;
        TS_TRY(ts_str_puts(p->out, "\\fB\\-\\-"));
        TS_TRY(put_text(p->out, r->name));
        return ts_str_puts(p->out, "\\fR");
    }
    if (!p->options)
        TS_TRY(ts_str_puts(p->out, ".SH OPTIONS\n.ad l\n"));
    p->options = true;
    if (begins)
        TS_TRY(ts_str_printf(p->out, ".SS %s\n", r->group));
    TS_TRY(ts_str_puts(p->out, ".TP\n\\fB\\-\\-"));
    TS_TRY(put_text(p->out, r->name));
    TS_TRY(put_value_word(p->out, r));
    TS_TRY(ts_str_puts(p->out, "\\fR\n"));
    TS_TRY(put_text(p->out, r->help ? r->help : "(no more is said of it)"));
    if (r->def) {
        TS_TRY(ts_str_puts(p->out, " (default "));
        TS_TRY(put_text(p->out, r->def));
        TS_TRY(ts_str_puts(p->out, ")"));
    }
    return ts_str_puts(p->out, "\n");
}

static ts_status put_end(ts_str *out, const char *see_also)
{
    TS_TRY(ts_str_puts(out, ".SH EXIT STATUS\n0: done.\n1: something failed while the work went on "
                            "(a full disk, no memory, a lost process).\n2: a mistake in options or "
                            "input, found before anything was changed.\n.SH SEE ALSO\n"));
    return ts_str_puts(out, see_also);
}

ts_status ts_page_man(const ts_command *cmd, const char *usage, const ts_option_set *set,
                      ts_str *out)
{
    char name[64];
    page p = { out, false, false };
    const char *body = strstr(usage, "\n\n"); /* usage lines, an empty line, the description */
    const size_t head = body ? (size_t)(body - usage) : strlen(usage);
    const size_t skip = !strncmp(usage, "usage: ", 7) ? 7 : 0;
    snprintf(name, sizeof name, "tessera-%s", cmd->name);
    TS_TRY(put_title(out, name, cmd->summary));
    TS_TRY(ts_str_puts(out, ".SH SYNOPSIS\n"));
    TS_TRY(put_lines(out, usage + skip, head - skip));
    if (body) {
        TS_TRY(ts_str_puts(out, ".SH DESCRIPTION\n"));
        TS_TRY(put_lines(out, body + 2, strlen(body + 2)));
    }
    TS_TRY(ts_option_walk(set, put_row, &p));
    TS_TRY(ts_str_puts(out, p.notes ? "\n" : ""));
    TS_TRY(ts_str_puts(out, ".SH FILES\n\\fB\\-\\-config\\fR \\fIFILE\\fR takes options from a YAML "
                            "or JSON file.\n.SH ENVIRONMENT\n\\fBTESSERA_\\fR\\fIOPTION\\fR sets an "
                            "option: its name in capitals, with _ for \\-.\n"));
    return put_end(out, "tessera(1)\n");
}

ts_status ts_page_man_program(ts_str *out)
{
    TS_TRY(put_title(out, "tessera",
                     "train, score and generate with large language models, without Python"));
    TS_TRY(ts_str_puts(out, ".SH SYNOPSIS\n\\fBtessera\\fR \\fICOMMAND\\fR [\\fIoptions\\fR]\n"
                            ".SH DESCRIPTION\nTessera prepares data, trains, scores and generates, on "
                            "one core or on many processes under \\fBmpirun\\fR. It reads Hugging Face "
                            "folders and Megatron\\-LM's data files, and takes Megatron\\-LM's "
                            "options.\n.SH COMMANDS\n"));
    for (const ts_command *const *c = ts_commands; *c; c++) {
        TS_TRY(ts_str_puts(out, ".TP\n\\fB"));
        TS_TRY(put_text(out, (*c)->name));
        TS_TRY(ts_str_puts(out, "\\fR\n"));
        TS_TRY(put_text(out, (*c)->summary));
        TS_TRY(ts_str_puts(out, "\n"));
    }
    TS_TRY(ts_str_puts(out, ".P\n\\fBtessera help\\fR \\fICOMMAND\\fR explains a command and its "
                            "options; \\fBtessera info\\fR says what this build has.\n"));
    TS_TRY(put_end(out, ""));
    for (const ts_command *const *c = ts_commands; *c; c++)
        TS_TRY(ts_str_printf(out, "tessera\\-%s(1)%s\n", (*c)->name, c[1] ? "," : ""));
    return TS_OK;
}
