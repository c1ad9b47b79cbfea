//# A bias by the distance from the query token to the KV token, from the head's row of a table.

typedef float BiasElement;

float bias_value(BiasElement element) {
  return element;
}

/* The table's row of a head. */
const BiasElement *bias_row(const fi_attention_args &args, int token, u32 head) {
  return (const BiasElement *)args.bias + head * args.bias_head_stride;
}

/* The distance of its first element. */
int first_distance(const fi_attention_args &args) {
  return args.bias_first;
}

//@use tile/bias_by_distance
