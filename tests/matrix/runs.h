/* What a job of the matrix does with one spec. Each gives the first thing that is wrong in trial->why. */
#ifndef TESTS_MATRIX_RUNS_H
#define TESTS_MATRIX_RUNS_H

#include "tests/matrix/trial.h"

bool run_attention(struct trial *trial, const fi_spec *canonical);
bool run_append(struct trial *trial, const fi_spec *canonical);
bool run_indexer(struct trial *trial, const fi_spec *canonical);
bool run_merge(struct trial *trial, const fi_spec *canonical);

/* Plans of large batches, without attention. */
bool run_plan(struct trial *trial, const fi_spec *canonical);

/* Attention on batches whose partials are merged in groups. */
bool run_pieces(struct trial *trial, const fi_spec *canonical);

/* Batches whose prefixes two kernels share, where rows are open. */
bool run_divided(struct trial *trial, const fi_spec *canonical);

/* Attention over a hand-made plan in which requests share a prefix. */
bool run_prefix(struct trial *trial, const fi_spec *canonical);

/* Plans that find prefixes which requests share: what they read. */
bool run_counted(struct trial *trial, const fi_spec *canonical);

/* Attention on batches that tell what they share, rightly and wrongly. */
bool run_told(struct trial *trial, const fi_spec *canonical);

/* Attention with rows left open: batches of any lengths, eagerly and by a graph whose replays have other mixes. */
bool run_mix(struct trial *trial, const fi_spec *canonical);

/* Attention on values at the edges of what is allowed. */
bool run_edges(struct trial *trial, const fi_spec *canonical);

/* What is wrong with a batch is told on the device. */
bool run_faults(struct trial *trial, const fi_spec *canonical);

/* In threads without a context the reason comes before anything is compiled. */
bool run_threads(struct trial *trial, const fi_spec *canonical);

#endif
