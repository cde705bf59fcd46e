// SPDX-License-Identifier: Apache-2.0
// Owners of IOKit's and CoreFoundation's references, as C++ programs have them.
#include <CoreFoundation/CoreFoundation.h>
#include <IOKit/IOKitLib.h>
#include <mach/mach.h>

#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

template <typename T> class CFOwner {
public:
    CFOwner() = default;
    explicit CFOwner(T ref) : ref_(ref) {}
    CFOwner(const CFOwner &other) : ref_(other.ref_)
    {
        if (ref_)
            CFRetain(ref_);
    }
    CFOwner(CFOwner &&other) noexcept : ref_(std::exchange(other.ref_, nullptr)) {}
    CFOwner &operator=(CFOwner other) noexcept
    {
        std::swap(ref_, other.ref_);
        return *this;
    }
    ~CFOwner()
    {
        if (ref_)
            CFRelease(ref_);
    }
    T get() const { return ref_; }
    explicit operator bool() const { return ref_ != nullptr; }

private:
    T ref_ = nullptr;
};

struct CFReleaser {
    void operator()(CFTypeRef ref) const { CFRelease(ref); }
};
using CFUnique = std::unique_ptr<std::remove_pointer_t<CFMutableStringRef>, CFReleaser>;

class IOObject {
public:
    explicit IOObject(io_object_t object = IO_OBJECT_NULL) : object_(object) {}
    IOObject(IOObject &&other) noexcept : object_(std::exchange(other.object_, IO_OBJECT_NULL)) {}
    IOObject(const IOObject &) = delete;
    IOObject &operator=(const IOObject &) = delete;
    ~IOObject()
    {
        if (object_ != IO_OBJECT_NULL)
            IOObjectRelease(object_);
    }
    io_object_t get() const { return object_; }
    io_object_t *out() { return &object_; }

private:
    io_object_t object_;
};

class IOError : public std::runtime_error {
public:
    IOError(const std::string &what, kern_return_t code) : std::runtime_error(what + ": " + mach_error_string(code)) {}
};

class Connection {
public:
    explicit Connection(io_service_t service, uint32_t type = 0)
    {
        kern_return_t kr = IOServiceOpen(service, mach_task_self(), type, &port_);

        if (kr != kIOReturnSuccess)
            throw IOError("IOServiceOpen", kr);
    }
    Connection(const Connection &) = delete;
    ~Connection() { IOServiceClose(port_); }

    std::vector<uint64_t> call(uint32_t selector, const std::vector<uint64_t> &input, uint32_t outputs)
    {
        std::vector<uint64_t> output(outputs);
        kern_return_t kr = IOConnectCallScalarMethod(port_, selector, input.data(), static_cast<uint32_t>(input.size()),
                                                     output.data(), &outputs);

        if (kr != kIOReturnSuccess)
            throw IOError("selector " + std::to_string(selector), kr);
        output.resize(outputs);
        return output;
    }

private:
    io_connect_t port_ = IO_OBJECT_NULL;
};

std::string toString(CFStringRef string)
{
    CFIndex length = CFStringGetMaximumSizeForEncoding(CFStringGetLength(string), kCFStringEncodingUTF8);
    std::vector<char> buffer(static_cast<size_t>(length) + 1);

    if (!CFStringGetCString(string, buffer.data(), static_cast<CFIndex>(buffer.size()), kCFStringEncodingUTF8))
        throw std::runtime_error("not a string");
    return std::string(buffer.data());
}

// static initialisation with CFSTR
const CFStringRef kUserClassKey = CFSTR(kIOUserClassKey);

std::string userClass(io_service_t service)
{
    CFOwner<CFTypeRef> property(IORegistryEntryCreateCFProperty(service, kUserClassKey, kCFAllocatorDefault, 0));

    if (!property || CFGetTypeID(property.get()) != CFStringGetTypeID())
        return "none";
    return toString(static_cast<CFStringRef>(property.get()));
}

} // namespace

int main()
{
    try {
        IOObject iterator;
        io_object_t next;
        int services = 0;

        if (IOServiceGetMatchingServices(kIOMainPortDefault, IOServiceNameMatching("Echo"), iterator.out()) !=
            KERN_SUCCESS)
            return 1;
        while ((next = IOIteratorNext(iterator.get())) != IO_OBJECT_NULL) {
            IOObject service(next);
            IOObject moved(std::move(service));
            Connection connection(moved.get());

            services++;
            std::printf("%s:", userClass(moved.get()).c_str());
            for (uint64_t value : connection.call(0, {1, 2, 3}, 16))
                std::printf(" %llu", static_cast<unsigned long long>(value));
            std::printf("\n");
            try {
                connection.call(999, {}, 0);
            } catch (const IOError &error) {
                std::printf("caught %s\n", error.what());
            }
        }

        CFUnique text(CFStringCreateMutable(kCFAllocatorDefault, 0));
        CFStringAppendFormat(text.get(), nullptr, CFSTR("%d service%s, %@"), services, services == 1 ? "" : "s",
                             kCFBooleanTrue);
        CFOwner<CFStringRef> copy(CFStringCreateCopy(kCFAllocatorDefault, text.get()));
        CFOwner<CFStringRef> another = copy;
        std::printf("%s\n", toString(another.get()).c_str());
        return 0;
    } catch (const std::exception &error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
