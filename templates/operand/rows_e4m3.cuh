//@use operand/rows_fp8
