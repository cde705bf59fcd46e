/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is compiled for. A program that asks here was written for Apple's systems, and what OpenDext
 * offers it is macOS's interface: so TARGET_OS_OSX is 1, and everything that would lead it to
 * another of those systems is 0. TARGET_OS_LINUX tells the two apart.
 */
#ifndef OPENDEXT_TARGETCONDITIONALS_H
#define OPENDEXT_TARGETCONDITIONALS_H

#define TARGET_OS_MAC		1
#define TARGET_OS_OSX		1
#define TARGET_OS_LINUX		1
#define TARGET_OS_IPHONE	0
#define TARGET_OS_IOS		0
#define TARGET_OS_TV		0
#define TARGET_OS_WATCH		0
#define TARGET_OS_VISION	0
#define TARGET_OS_BRIDGE	0
#define TARGET_OS_MACCATALYST	0
#define TARGET_OS_DRIVERKIT	0
#define TARGET_OS_SIMULATOR	0
#define TARGET_OS_EMBEDDED	0
#define TARGET_OS_UNIX		0
#define TARGET_OS_WIN32		0
#define TARGET_OS_WINDOWS	0
#define TARGET_IPHONE_SIMULATOR 0

#ifdef __x86_64__
#define TARGET_CPU_X86_64 1
#else
#define TARGET_CPU_X86_64 0
#endif
#ifdef __aarch64__
#define TARGET_CPU_ARM64 1
#else
#define TARGET_CPU_ARM64 0
#endif
#ifdef __i386__
#define TARGET_CPU_X86 1
#else
#define TARGET_CPU_X86 0
#endif
#ifdef __arm__
#define TARGET_CPU_ARM 1
#else
#define TARGET_CPU_ARM 0
#endif
#define TARGET_CPU_PPC	 0
#define TARGET_CPU_PPC64 0

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define TARGET_RT_LITTLE_ENDIAN 1
#define TARGET_RT_BIG_ENDIAN	0
#else
#define TARGET_RT_LITTLE_ENDIAN 0
#define TARGET_RT_BIG_ENDIAN	1
#endif
#if __SIZEOF_POINTER__ == 8
#define TARGET_RT_64_BIT 1
#else
#define TARGET_RT_64_BIT 0
#endif
#define TARGET_RT_MAC_CFM   0
#define TARGET_RT_MAC_MACHO 0

#endif
