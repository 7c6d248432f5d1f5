#include "ext/path.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ext/error.h"

const char *path_of_database(sqlite3 *db, const char *schema)
{
    const char *file = sqlite3_db_filename(db, schema);
    sqlite3_vfs *vfs = NULL;

    if (!file || !file[0])
        return NULL;
    if (sqlite3_file_control(db, schema, SQLITE_FCNTL_VFS_POINTER, &vfs) == SQLITE_OK && vfs &&
        strcmp(vfs->zName, "memdb") == 0)
        return NULL;
    return file;
}

static int in_working_dir(const char *dir, char **path, char **message)
{
    char *here = getcwd(NULL, 0);

    if (!here)
        return error_set(message, SQLITE_CANTOPEN, "no working directory: %s", strerror(errno));
    *path = sqlite3_mprintf("%s/%s", here, dir);
    free(here);
    return *path ? SQLITE_OK : SQLITE_NOMEM;
}

int path_of_store(sqlite3 *db, const char *schema, const char *dir, char **path, char **message)
{
    const char *file = path_of_database(db, schema), *slash;

    *path = NULL;
    if (!dir) {
        if (!file)
            return SQLITE_OK;
        *path = sqlite3_mprintf("%s-lsmkv", file);
    } else if (dir[0] == '/') {
        *path = sqlite3_mprintf("%s", dir);
    } else {
        if (!file)
            file = path_of_database(db, "main");
        slash = file ? strrchr(file, '/') : NULL;
        if (!slash)
            return in_working_dir(dir, path, message);
        *path = sqlite3_mprintf("%.*s/%s", (int)(slash - file), file, dir);
    }
    return *path ? SQLITE_OK : SQLITE_NOMEM;
}

static int copy(char **to, const char *format, const char *dir, const char *name)
{
    *to = sqlite3_mprintf(format, dir, name);
    return *to ? SQLITE_OK : SQLITE_NOMEM;
}

/* `path` is absent and ends without a slash: its parent's one name, and its own behind it. */
static int canonical_absent(char *path, char **canonical, char **message)
{
    char *slash = strrchr(path, '/'), *parent;
    int rc;

    if (!slash || !slash[1] || strcmp(slash + 1, ".") == 0 || strcmp(slash + 1, "..") == 0)
        return error_set(message, SQLITE_CANTOPEN, "%s: not a directory", path);
    *slash = '\0';
    parent = realpath(path[0] ? path : "/", NULL);
    if (!parent)
        return error_set(message, SQLITE_CANTOPEN, "%s: %s", path, strerror(errno));
    rc = copy(canonical, "%s/%s", strcmp(parent, "/") == 0 ? "" : parent, slash + 1);
    free(parent);
    return rc;
}

int path_canonical(const char *path, char **canonical, bool *exists, char **message)
{
    char *plain = sqlite3_mprintf("%s", path), *real;
    size_t size;
    int rc;

    if (!plain)
        return SQLITE_NOMEM;
    for (size = strlen(plain); size > 1 && plain[size - 1] == '/'; size--)
        plain[size - 1] = '\0';
    real = realpath(plain, NULL);
    *exists = real != NULL;
    if (real)
        rc = copy(canonical, "%s%s", real, "");
    else if (errno == ENOENT)
        rc = canonical_absent(plain, canonical, message);
    else
        rc = error_set(message, SQLITE_CANTOPEN, "%s: %s", plain, strerror(errno));
    free(real);
    sqlite3_free(plain);
    return rc;
}
