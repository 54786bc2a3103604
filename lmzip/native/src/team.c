/* team.c - a few threads that live for one piece of work (team.h).

   They wait for each other many times in a millisecond, so they do not sleep; where one waits for long, there is less than a
   processor for each, and it gives its own up. */
#include "team.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#define PATIENCE 4000 /* rounds of waiting, about 10 ns each; after that each gives the processor up */

typedef struct {
    team team;
    team_work *work;
    void *argument;
    team_member members[TEAM_MAX];
} job;

void wait_a_round(int n_waited)
{
    if (n_waited > PATIENCE) /* the other thread may be waiting for this processor */
        sched_yield();
#if defined(__x86_64__)
    else
        __builtin_ia32_pause();
#endif
}

void team_meet(const team_member *m)
{
    team *t = m->team;
    const uint32_t phase = __atomic_load_n(&t->phase, __ATOMIC_RELAXED);
    if (__atomic_add_fetch(&t->n_met, 1, __ATOMIC_ACQ_REL) == (uint32_t)t->n_members) {
        t->n_met = t->next = 0;
        __atomic_store_n(&t->phase, phase + 1, __ATOMIC_RELEASE);
        return;
    }
    for (int n_waited = 0; __atomic_load_n(&t->phase, __ATOMIC_ACQUIRE) == phase;)
        wait_a_round(++n_waited);
}

/* The job lies around its team. */
static void *join_in(void *argument)
{
    const team_member *m = argument;
    const job *j = (const job *)(const void *)m->team;
    for (int n_waited = 0; !__atomic_load_n(&m->team->n_members, __ATOMIC_ACQUIRE);)
        wait_a_round(++n_waited);
    j->work(m, j->argument);
    return NULL;
}

void team_run(team_work *work, void *argument, int n_threads)
{
    job j = {.work = work, .argument = argument};
    pthread_t threads[TEAM_MAX];
    int n_members = 1;
    for (int i = 0; i < TEAM_MAX; i++)
        j.members[i] = (team_member){&j.team, i};
    sigset_t all, before;
    sigfillset(&all); /* signals are for threads that can act on them; a new thread blocks what its maker does */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (n_members < n_threads && n_members < TEAM_MAX &&
           !pthread_create(&threads[n_members], NULL, join_in, &j.members[n_members]))
        n_members++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    __atomic_store_n(&j.team.n_members, n_members, __ATOMIC_RELEASE);
    work(&j.members[0], argument);
    for (int i = 1; i < n_members; i++)
        pthread_join(threads[i], NULL);
}
