module flashjit

go 1.19
