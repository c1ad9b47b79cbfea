//@use query/{q_dtype}

//# A bias by the distance from the query token to the KV token, from the query token's and the head's own row.

typedef u16 BiasElement; /* of the type of Q */

float bias_value(BiasElement element) {
  return unpack_query(element).x;
}

/* The row of a query token and head. */
const BiasElement *bias_row(const fi_attention_args &args, int token, u32 head) {
  return (const BiasElement *)args.bias + token * args.bias_token_stride + head * args.bias_head_stride;
}

/* The distance of its first element. */
int first_distance(const fi_attention_args &args) {
  return 0;
}

//@use tile/bias_by_distance
