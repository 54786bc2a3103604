/* team.h - threads that share work in phases, one after another: in each, every member has its share, or takes items in turn. */
#ifndef LMZ_TEAM_H
#define LMZ_TEAM_H

#include <stdint.h>

#define TEAM_MAX 64 /* members */

typedef struct {
    int n_members; /* 0 until all have been found */
    uint32_t next, n_met, phase;
} team;

typedef struct { /* one thread of a team */
    team *team;
    int index;
} team_member;

typedef void team_work(const team_member *, void *argument);

/* Let up to n_threads threads, this one among them, do `work`; returns when all are done with it. */
void team_run(team_work *work, void *argument, int n_threads);

/* The next of the items of this phase that anyone takes, counted from 0. */
static inline int team_take(const team_member *m) { return (int)__atomic_fetch_add(&m->team->next, 1, __ATOMIC_RELAXED); }

/* The first of the member's own share of n items; the share of the next member follows. */
static inline int team_share(const team_member *m, int n) { return n * m->index / m->team->n_members; }
static inline int team_share_end(const team_member *m, int n) { return n * (m->index + 1) / m->team->n_members; }

/* End the phase: wait until every member is through with it, and see what all have written. */
void team_meet(const team_member *m);

/* To be called in each round of waiting for another thread. */
void wait_a_round(int n_waited);

#endif
