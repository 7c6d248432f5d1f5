/*
 * interleaved.c - foretells what commits of interleaved sessions return, and replays them.
 */
#include "support/test.h"

#include "interleaved.h"

/* ---- What the model says ---- */

uint32_t state_value_in(const struct state *below, const struct state *overlay, size_t key)
{
    return overlay->values[key] == NONE ? below->values[key] : overlay->values[key];
}

bool player_has_writes(const struct player *player)
{
    for (size_t key = 0; key < KEYS; key++) {
        if (player->overlay.values[key] != NONE)
            return true;
    }
    return false;
}

bool player_is_prepared(const struct player *player)
{
    return lsmkv_session_state(player->session) == LSMKV_SESSION_PREPARED;
}

bool player_is_undecided(const struct player *player)
{
    return player_is_prepared(player) && player_has_writes(player);
}

bool run_has_undecided(const struct run *run)
{
    for (size_t i = 0; i < SESSIONS; i++) {
        if (player_is_undecided(&run->players[i]))
            return true;
    }
    return false;
}

bool run_turn_is_taken(const struct run *run, const struct player *by_other_than)
{
    for (size_t i = 0; i < SESSIONS; i++) {
        if (&run->players[i] != by_other_than && run->players[i].exclusive)
            return true;
    }
    return false;
}

bool run_reads_have_changed(const struct run *run, const struct player *player)
{
    for (size_t key = 0; player->tracked && key < KEYS; key++) {
        if (player->read[key] && run->changed[key] > player->began)
            return true;
    }
    return false;
}

static bool stands_in_the_way(const struct player *prepared, const struct player *player, bool prepares)
{
    for (size_t key = 0; key < KEYS; key++) {
        if (prepared->guarded[key] && player->overlay.values[key] != NONE)
            return true;
        if (prepares && player->tracked && player->read[key] && prepared->overlay.values[key] != NONE)
            return true;
    }
    return false;
}

static bool is_guarded(const struct run *run, const struct player *player, bool prepares)
{
    for (size_t i = 0; i < SESSIONS; i++) {
        const struct player *other = &run->players[i];

        if (other != player && player_is_undecided(other) && stands_in_the_way(other, player, prepares))
            return true;
    }
    return false;
}

enum lsmkv_status run_foretell(struct run *run, struct player *player, bool prepares)
{
    if (!player_has_writes(player))
        return LSMKV_OK;
    if (run_reads_have_changed(run, player)) {
        run->counts.conflicts++;
        return LSMKV_BUSY_SNAPSHOT;
    }
    if (run_turn_is_taken(run, player)) {
        run->counts.turn_busy++;
        return LSMKV_BUSY;
    }
    if (is_guarded(run, player, prepares)) {
        run->counts.guard_busy++;
        player->exclusive = false; /* it gives its turn, and goes on as an optimistic one */
        return LSMKV_BUSY;
    }
    return LSMKV_OK;
}

/* ---- Operations, and their replay ---- */

void player_record(struct player *player, enum op_kind kind, size_t key, uint32_t value)
{
    assert_true(player->op_count < OPS_MAX);
    player->ops[player->op_count++] = (struct op){kind, key, value};
}

void player_replay(const struct player *player, struct state *state)
{
    struct state marks[MARKS];

    for (size_t i = 0; i < player->op_count; i++) {
        const struct op *op = &player->ops[i];

        if (op->kind == SAW)
            assert_int_equal(op->value, state->values[op->key]);
        else if (op->kind == WROTE)
            state->values[op->key] = op->value;
        else if (op->kind == MARKED)
            marks[op->key] = *state;
        else
            *state = marks[op->key];
    }
}
