#include "trial.h"

#include <err.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pair.h"

/* No statement takes a second; a sanitizer build on a busy machine is slow. */
#define SECONDS_MAX 120

/* ---- The child ---- */

static void run_lines(const struct script *script, const char *dir, enum trial trial, int report)
{
    struct pair pair;
    size_t i;

    pair_open(&pair, dir);
    pair.thorough = trial >= TRIAL_THOROUGH;
    pair.starved = trial == TRIAL_STARVED;
    for (i = 0; i < script->count; i++) {
        if (pair_run(&pair, script->lines[i]))
            continue;
        dprintf(report, "%s", pair.difference);
        _exit(1);
    }
    pair_close(&pair);
}

static void hide_output(void)
{
    int null = open("/dev/null", O_WRONLY);

    dup2(null, 1);
    dup2(null, 2);
}

/* ---- The parent ---- */

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    return remove(path);
}

static char *read_all(int fd)
{
    size_t size = 0, room = 4096;
    char *text = malloc(room);
    ssize_t got;

    while (text && (got = read(fd, text + size, room - size - 1)) > 0) {
        size += (size_t)got;
        if (room - size < 1024)
            text = realloc(text, room *= 2);
    }
    if (!text)
        err(1, "report");
    text[size] = 0;
    return text;
}

static char *judge(char *report, int status)
{
    char *text = NULL;

    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        free(report);
        return NULL;
    }
    if (*report)
        return report;
    free(report);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        status = asprintf(&text, "no answer in %d seconds", SECONDS_MAX);
    else if (WIFSIGNALED(status))
        status = asprintf(&text, "killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        status = asprintf(&text, "the process ended with status %d", WEXITSTATUS(status));
    if (status < 0)
        err(1, "report");
    return text;
}

/* Memory where there is some: nothing here is about what reaches the disk. */
static const char *parent_dir(void)
{
    const char *parent = getenv("TMPDIR");

    if (parent)
        return parent;
    return access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
}

char *trial_run(const struct script *script, enum trial trial)
{
    int pipe_fds[2], status;
    char *dir, *report;
    pid_t child;

    if (asprintf(&dir, "%s/lsmkv-oracle-XXXXXX", parent_dir()) < 0 || !mkdtemp(dir) || pipe(pipe_fds))
        err(1, "oracle");
    fflush(NULL);
    child = fork();
    if (child < 0)
        err(1, "fork");
    if (child == 0) {
        close(pipe_fds[0]);
        alarm(SECONDS_MAX);
        if (trial != TRIAL_LOUD)
            hide_output();
        run_lines(script, dir, trial, pipe_fds[1]);
        exit(0); /* for what a coverage or sanitizer build does at exit */
    }
    close(pipe_fds[1]);
    report = read_all(pipe_fds[0]);
    close(pipe_fds[0]);
    while (waitpid(child, &status, 0) < 0)
        ;
    nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(dir);
    return judge(report, status);
}

/* ---- Reduction ---- */

/* `script` without `count` lines from `first` on; the lines stay owned by `script`. */
static struct script without(const struct script *script, size_t first, size_t count)
{
    struct script shorter = {.name = script->name, .count = script->count - count};
    size_t size = sizeof(*script->lines);

    shorter.lines = malloc((shorter.count + 1) * size);
    if (!shorter.lines)
        err(1, "reduce");
    memcpy(shorter.lines, script->lines, first * size);
    memcpy(shorter.lines + first, script->lines + first + count, (shorter.count - first) * size);
    return shorter;
}

/* Whether the same statement differs: the first line of a description. */
static bool same_statement(const char *a, const char *b)
{
    size_t length = strcspn(a, "\n");

    return strncmp(a, b, length) == 0 && strcspn(b, "\n") == length;
}

static bool still_differs(struct script *script, size_t first, size_t count, enum trial trial, char **difference)
{
    struct script shorter = without(script, first, count);
    char *found = trial_run(&shorter, trial);
    size_t i;

    if (!found || !same_statement(found, *difference)) {
        free(found);
        free(shorter.lines);
        return false;
    }
    for (i = first; i < first + count; i++)
        free(script->lines[i]);
    free(script->lines);
    script->lines = shorter.lines;
    script->count = shorter.count;
    free(*difference);
    *difference = found;
    return true;
}

char *trial_reduce(struct script *script, char *difference, enum trial trial, unsigned seconds)
{
    time_t end = time(NULL) + seconds;
    size_t chunk, first;
    bool shorter = true;
    char *earlier;

    if (trial == TRIAL_LOUD)
        trial = TRIAL_THOROUGH;
    earlier = trial_run(script, trial);
    if (earlier) { /* the change that made the difference rather than the query that saw it */
        free(difference);
        difference = earlier;
    }
    for (chunk = script->count / 2; chunk >= 1 && time(NULL) < end; chunk = chunk > 1 ? chunk / 2 : (size_t)shorter) {
        shorter = false;
        /* From the end: what comes last depends on what came before. */
        for (first = script->count; first >= chunk && time(NULL) < end;) {
            first -= chunk;
            if (still_differs(script, first, chunk, trial, &difference))
                shorter = true;
        }
    }
    return difference;
}
