/* Driver interface: graphs, which are recorded lists of launches, copies and fills. */
#include "api/graph.h"

#include "api/state.h"

#include <stdlib.h>

struct CUgraph_st {
  struct api_operation *operations;
  size_t count;
  size_t capacity;
};

/* An executable graph owns copies of everything. */
struct CUgraphExec_st {
  CUgraph graph;
};

CUgraph api_graph_create(void) {
  return sim_allocate(sizeof(struct CUgraph_st));
}

void api_graph_append(CUgraph graph, const struct api_operation *operation) {
  SIM_PUSH(graph->operations, graph->count, graph->capacity);
  graph->operations[graph->count++] = *operation;
}

void api_graph_destroy(CUgraph graph) {
  if (!graph)
    return;
  for (size_t i = 0; i < graph->count; i++)
    api_operation_destroy(&graph->operations[i]);
  free(graph->operations);
  free(graph);
}

static CUgraph copy_graph(CUgraph graph) {
  CUgraph copy = api_graph_create();
  for (size_t i = 0; i < graph->count; i++) {
    struct api_operation operation = api_operation_copy(&graph->operations[i]);
    api_graph_append(copy, &operation);
  }
  return copy;
}

static CUresult graph_instantiate(CUgraphExec *executable, CUgraph graph, unsigned long long flags) {
  (void)flags;
  if (api_captures() > 0)
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  *executable = sim_allocate(sizeof **executable);
  (*executable)->graph = copy_graph(graph);
  return CUDA_SUCCESS;
}

static CUresult graph_launch(CUgraphExec executable, CUstream stream) {
  CUresult result = CUDA_SUCCESS;
  (void)stream;
  api_lock();
  for (size_t i = 0; i < executable->graph->count && result == CUDA_SUCCESS; i++)
    result = api_execute(&executable->graph->operations[i]);
  api_unlock();
  return result;
}

static CUresult graph_upload(CUgraphExec executable, CUstream stream) {
  (void)executable;
  (void)stream;
  return CUDA_SUCCESS;
}

static CUresult executable_destroy(CUgraphExec executable) {
  api_graph_destroy(executable->graph);
  free(executable);
  return CUDA_SUCCESS;
}

static CUresult graph_destroy(CUgraph graph) {
  api_graph_destroy(graph);
  return CUDA_SUCCESS;
}

static CUresult graph_nodes(CUgraph graph, CUgraphNode *nodes, size_t *count) {
  *count = graph->count;
  return nodes ? CUDA_ERROR_NOT_SUPPORTED : CUDA_SUCCESS;
}

static const struct api_entry entries[] = {
    {"cuGraphInstantiate", (void *)graph_instantiate, 12000},
    API_ENTRY("cuGraphInstantiateWithFlags", graph_instantiate),
    API_ENTRY("cuGraphLaunch", graph_launch),
    API_ENTRY("cuGraphUpload", graph_upload),
    API_ENTRY("cuGraphExecDestroy", executable_destroy),
    API_ENTRY("cuGraphDestroy", graph_destroy),
    API_ENTRY("cuGraphGetNodes", graph_nodes),
};

const struct api_table api_graph_table = API_TABLE(entries);
