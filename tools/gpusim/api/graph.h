/* Graphs: recorded lists of operations. */
#ifndef GPUSIM_API_GRAPH_H
#define GPUSIM_API_GRAPH_H

#include "api/entry.h"
#include "api/operation.h"

CUgraph api_graph_create(void);
void api_graph_append(CUgraph graph, const struct api_operation *operation); /* takes over what the operation owns */
void api_graph_destroy(CUgraph graph);

extern const struct api_table api_graph_table;

#endif
