/* What bzip2 calls where it finds itself broken. */
void bz_internal_error(int code)
{
    (void)code;
    __builtin_trap();
}
