module pvf.example

go 1.19
