#include "script.h"

#include <err.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void script_init(struct script *script, const char *name)
{
    memset(script, 0, sizeof(*script));
    script->name = strdup(name);
}

void script_release(struct script *script)
{
    size_t i;

    for (i = 0; i < script->count; i++)
        free(script->lines[i]);
    free(script->lines);
    free(script->name);
    memset(script, 0, sizeof(*script));
}

void script_take(struct script *script, char *line)
{
    script->lines = realloc(script->lines, (script->count + 1) * sizeof(*script->lines));
    if (!script->lines || !line)
        err(1, "script");
    script->lines[script->count++] = line;
}

void script_add(struct script *script, const char *format, ...)
{
    va_list arguments;
    char *line;

    va_start(arguments, format);
    if (vasprintf(&line, format, arguments) < 0)
        err(1, "script");
    va_end(arguments);
    script_take(script, line);
}

void script_print(const struct script *script, FILE *out)
{
    size_t i;

    fprintf(out, ".test %s\n", script->name);
    for (i = 0; i < script->count; i++)
        fprintf(out, "%s%s\n", script->lines[i], script->lines[i][0] == '.' ? "" : ";");
}

/* ---- Files ---- */

struct loader {
    struct script *scripts;
    size_t count;
    char *statement; /* the lines so far of a statement that has not ended, or NULL */
};

static void append(struct loader *loader, const char *line)
{
    char *joined = NULL;

    if (asprintf(&joined, "%s%s%s", loader->statement ? loader->statement : "", loader->statement ? "\n" : "", line) <
        0)
        err(1, "script");
    free(loader->statement);
    loader->statement = joined;
}

static void take_line(struct loader *loader, const char *path, char *line)
{
    size_t length = strcspn(line, "\r\n");

    line[length] = 0;
    if (strncmp(line, ".test ", 6) == 0) {
        loader->scripts = realloc(loader->scripts, (loader->count + 1) * sizeof(*loader->scripts));
        if (!loader->scripts)
            err(1, "%s", path);
        script_init(&loader->scripts[loader->count++], line + 6);
        return;
    }
    if (!loader->statement && (!length || strncmp(line, "--", 2) == 0))
        return;
    if (!loader->count)
        errx(1, "%s: a statement before the first .test", path);
    if (line[0] == '.' && !loader->statement) {
        script_add(&loader->scripts[loader->count - 1], "%s", line);
        return;
    }
    if (line[length - (length > 0)] != ';') {
        append(loader, line);
        return;
    }
    line[length - 1] = 0;
    append(loader, line);
    script_take(&loader->scripts[loader->count - 1], loader->statement);
    loader->statement = NULL;
}

struct script *script_load(const char *path, size_t *count)
{
    FILE *file = fopen(path, "r");
    struct loader loader = {0};
    char *line = NULL;
    size_t size = 0;

    if (!file)
        err(1, "%s", path);
    while (getline(&line, &size, file) >= 0)
        take_line(&loader, path, line);
    if (loader.statement)
        errx(1, "%s: the last statement has no semicolon", path);
    free(line);
    fclose(file);
    *count = loader.count;
    return loader.scripts;
}

void script_free_all(struct script *scripts, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++)
        script_release(&scripts[i]);
    free(scripts);
}
