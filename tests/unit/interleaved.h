/*
 * interleaved.h - the model behind test_interleaved.c: what each session has read and written, what others have committed
 * since, and so the status of its commit.
 */
#ifndef TESTS_UNIT_INTERLEAVED_H
#define TESTS_UNIT_INTERLEAVED_H

#include "support/store_kit.h"

#define KEYS     60
#define SESSIONS 5
#define MARKS    4    /* savepoints of a transaction at one time */
#define OPS_MAX  2000 /* of a transaction */
#define NONE     UINT32_MAX

/* A value of each key; 0 = no such key. In an overlay NONE = not written. */
struct state {
    uint32_t values[KEYS];
};

enum op_kind { SAW, WROTE, MARKED, WENT_BACK };

struct op {
    enum op_kind kind;
    size_t key; /* or the index of a mark */
    uint32_t value;
};

struct mark {
    uint64_t engine;
    struct state overlay;
};

struct player {
    struct lsmkv_session *session;
    bool tracked, exclusive; /* exclusive: has the turn */
    uint64_t began;          /* number of commits that its snapshot holds */
    struct state snapshot, overlay;
    bool read[KEYS];    /* remembered by the session */
    bool guarded[KEYS]; /* if PREPARED: read until then */
    struct mark marks[MARKS];
    size_t mark_count;
    struct op ops[OPS_MAX];
    size_t op_count;

    struct lsmkv_cursor *cursor; /* NULL = none */
    struct state view;           /* what the cursor sees */
    struct state hidden;         /* the overlay when it was opened */
    size_t from, to, at;         /* bounds; at == to: on no row */
};

struct counts {
    size_t committed, conflicts, turn_busy, guard_busy, prepared, outcomes, aborts, withdrawn, prepared_anew;
    size_t read_only, validated, found_invalid, exclusive, exclusive_tracked, back;
};

struct run {
    struct db db;
    struct player players[SESSIONS];
    struct state committed;
    uint64_t commits;
    uint64_t changed[KEYS]; /* number of the last commit that wrote it */
    uint32_t next_value;
    uint64_t next_name; /* of a prepared transaction */
    uint64_t random;
    struct counts counts;
    struct lsmkv_error err;
};

uint32_t state_value_in(const struct state *below, const struct state *overlay, size_t key);

bool player_has_writes(const struct player *player);
bool player_is_prepared(const struct player *player);
bool player_is_undecided(const struct player *player); /* prepared, and guards */

bool run_has_undecided(const struct run *run);
bool run_turn_is_taken(const struct run *run, const struct player *by_other_than);
/* By a commit since its snapshot. */
bool run_reads_have_changed(const struct run *run, const struct player *player);

/* The status of a commit or prepare that waits for nobody. Counts it; one that a guard makes busy has the turn no more. */
enum lsmkv_status run_foretell(struct run *run, struct player *player, bool prepares);

void player_record(struct player *player, enum op_kind kind, size_t key, uint32_t value);
/*
 * Does the operations again on `state`, which is that at the transaction's place, and fails the test unless they see the
 * same; afterwards it is the state behind it.
 */
void player_replay(const struct player *player, struct state *state);

#endif
