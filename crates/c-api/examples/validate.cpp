/*
 * Validates a candidate twice with one PVF, from two threads. Handles are owned by smart pointers, errors are exceptions.
 *
 *     scripts/install-libpvf --prefix /opt/pvf
 *     export PKG_CONFIG_PATH=/opt/pvf/lib/pkgconfig
 *     g++ -std=c++17 crates/c-api/examples/validate.cpp $(pkg-config --cflags --libs pvf) -Wl,-rpath,/opt/pvf/lib -o validate
 *     ./validate fixtures/ledger/code.wasm fixtures/ledger/transfer.params
 *
 * Prints the outcome. Ends with 0 if the candidate is valid, 1 if it is not, 2 if it could not be judged.
 */
#include <pvf.h>

#include <array>
#include <cstdint>
#include <fstream>
#include <future>
#include <iomanip>
#include <iostream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace pvf {

template <auto deleter> struct Deleter {
    template <typename Handle> void operator()(Handle *handle) const
    {
        deleter(handle);
    }
};

using Artifact = std::unique_ptr<pvf_artifact_t, Deleter<pvf_artifact_delete>>;
using Error = std::unique_ptr<pvf_error_t, Deleter<pvf_error_delete>>;
using Outcome = std::unique_ptr<pvf_outcome_t, Deleter<pvf_outcome_delete>>;
using Function = std::unique_ptr<pvf_t, Deleter<pvf_delete>>;
using Bytes = std::vector<std::uint8_t>;

/* Why nothing was judged: never a vote. */
class Failure : public std::runtime_error {
public:
    explicit Failure(const Error &error)
        : std::runtime_error(std::string(pvf_status_name(pvf_error_status(error.get()))) + ": " +
                             pvf_error_message(error.get()))
    {
    }
};

/* Calls a function that fills a handle or makes an error. */
template <typename Owner, typename Call> Owner make(Call call)
{
    typename Owner::pointer handle = nullptr;
    pvf_error_t *error = nullptr;
    if (call(&handle, &error) != PVF_STATUS_OK)
        throw Failure(Error(error));
    return Owner(handle);
}

Function prepare(const Bytes &code)
{
    const auto artifact = make<Artifact>([&](auto handle, auto error) {
        return pvf_prepare(code.data(), code.size(), nullptr, handle, error);
    });
    return make<Function>([&](auto handle, auto error) { return pvf_new(artifact.get(), nullptr, handle, error); });
}

/* From any number of threads at the same time. */
Outcome execute(const Function &function, const Bytes &candidate)
{
    return make<Outcome>([&](auto handle, auto error) {
        return pvf_execute(function.get(), candidate.data(), candidate.size(), handle, error);
    });
}

} // namespace pvf

static pvf::Bytes read_file(const char *path)
{
    std::ifstream file(path, std::ios::binary);
    pvf::Bytes bytes(std::istreambuf_iterator<char>(file), {});
    if (!file)
        throw std::runtime_error(std::string("cannot read ") + path);
    return bytes;
}

static void print_hex(const char *what, const std::uint8_t *bytes, std::size_t size)
{
    std::cout << "  " << what << " 0x" << std::hex << std::setfill('0');
    for (std::size_t i = 0; i < size; i++)
        std::cout << std::setw(2) << unsigned(bytes[i]);
    std::cout << std::dec << '\n';
}

static bool print_outcome(const pvf_outcome_t *outcome)
{
    const pvf_class_t judged = pvf_outcome_class(outcome);
    std::cout << (judged == PVF_CLASS_VALID ? "valid" : judged == PVF_CLASS_INVALID ? "invalid" : "rejected") << '\n';
    if (pvf_outcome_trap(outcome) != PVF_TRAP_NONE)
        std::cout << "  trap          " << pvf_trap_name(pvf_outcome_trap(outcome)) << '\n';
    if (const char *reason = pvf_outcome_reason(outcome))
        std::cout << "  reason        " << reason << '\n';
    std::size_t size = 0;
    if (const std::uint8_t *result = pvf_outcome_result(outcome, &size))
        print_hex("result       ", result, size);
    std::array<std::uint8_t, PVF_DIGEST_BYTES> digest{};
    pvf_outcome_digest(outcome, digest.data());
    print_hex("digest       ", digest.data(), digest.size());
    return judged == PVF_CLASS_VALID;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        std::cerr << "usage: " << argv[0] << " CODE.wasm CANDIDATE.params\n";
        return 2;
    }
    try {
        const pvf::Bytes code = read_file(argv[1]), candidate = read_file(argv[2]);
        const pvf::Function function = pvf::prepare(code);
        const auto judge = [&] { return pvf::execute(function, candidate); };
        auto first = std::async(std::launch::async, judge), second = std::async(std::launch::async, judge);
        const bool valid = print_outcome(first.get().get());
        std::cout << "on another thread: ";
        print_outcome(second.get().get());
        return valid ? 0 : 1;
    } catch (const std::exception &error) {
        std::cerr << error.what() << '\n';
        return 2;
    }
}
