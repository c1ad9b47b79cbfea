/*
 * Times this library and its peers in one Python process, which tools/bench/peers/drive.py is. Peers are called through
 * torch, on the tensors that this library gets.
 */
#ifndef TOOLS_BENCH_PEERS_H
#define TOOLS_BENCH_PEERS_H

#include "tools/bench/bench_choice.h"

#include <jansson.h>

struct peer_results {
  json_t *measured; /* an array a case of what was measured, as bench_row takes it; "flashjit" among the providers */
  json_t *absent;   /* why a peer is not there, by its name */
  double products;  /* operations a second of a large matrix product; 0: not known */
};

/* False, with a problem, when the process cannot be started or gives up. Results are freed in any case. */
bool peers_measure(const struct bench_choice *choice, const struct case_list *list, bool simulated,
                   struct peer_results *results);
void peers_free(struct peer_results *results);

#endif
