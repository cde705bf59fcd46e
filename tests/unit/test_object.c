/* SPDX-License-Identifier: Apache-2.0 */
/* Objects: life, classes, and methods found across tables of other sizes. */
#include "unit.h"

#include "object.h"

#include <DriverKit/OSCollections.h>

#include <pthread.h>
#include <stddef.h>

struct Animal_IVars {
	uint32_t legs;
};
struct Dog_IVars {
	uint64_t barks;
};

static int animals_freed, dogs_freed;

static bool Animal_init(OSObject *self);
static void
Animal_free(OSObject *self)
{
	animals_freed++;
	OSObject_free_Impl(self);
}

static const OSObjectMethods animal_methods = {
	.size = sizeof(OSObjectMethods),
	.init = Animal_init,
	.free = Animal_free,
};
static const OSMetaClass gAnimalMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "Animal",
	.superclass = OSTypeID(OSObject),
	.ivars_size = sizeof(struct Animal_IVars),
	.object = &animal_methods,
};
typedef struct Animal Animal;

static bool
Animal_init(OSObject *self)
{
	if (!OSObject_init_Impl(self))
		return false;
	OSObjectIVars(Animal, self)->legs = 4;
	return true;
}

static void
Dog_free(OSObject *self)
{
	dogs_freed++;
	Animal_free(self);
}

static const OSObjectMethods dog_methods = {
	.size = sizeof(OSObjectMethods), .free = Dog_free, /* init is inherited */
};
static const OSMetaClass gDogMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "Dog",
	.superclass = OSTypeID(Animal),
	.ivars_size = sizeof(struct Dog_IVars),
	.object = &dog_methods,
};
typedef struct Dog Dog;

START_TEST(init_and_free_run_up_the_chain)
{
	Dog *dog = object_create(Dog);

	ck_assert_ptr_nonnull(dog);
	ck_assert_uint_eq(OSObjectIVars(Animal, dog)->legs, 4);
	ck_assert_uint_eq(OSObjectIVars(Dog, dog)->barks, 0);
	ck_assert_uint_eq((uintptr_t)OSObjectIVars(Dog, dog) % 16, 0);
	ck_assert_ptr_ne(OSObjectIVars(Dog, dog), OSObjectIVars(Animal, dog));
	ck_assert_str_eq(OSObject_GetClassName(dog), "Dog");
	OSRetain(dog);
	OSRelease(dog);
	ck_assert_int_eq(dogs_freed, 0);
	OSRelease(dog);
	ck_assert_int_eq(dogs_freed, 1);
	ck_assert_int_eq(animals_freed, 1);
}
END_TEST

START_TEST(casts_follow_the_chain)
{
	Dog *dog = object_create(Dog);
	OSObject *plain = object_create(OSObject);

	ck_assert_ptr_eq(OSDynamicCast(Animal, dog), dog);
	ck_assert_ptr_eq(OSDynamicCast(OSObject, dog), dog);
	ck_assert_ptr_null(OSDynamicCast(Dog, plain));
	ck_assert_ptr_null(OSDynamicCast(Dog, NULL));
	ck_assert_ptr_eq(OSRequiredCast(Animal, dog), dog);
	OSSafeReleaseNULL(dog);
	ck_assert_ptr_null(dog);
	OSSafeReleaseNULL(plain);
	OSRelease(NULL);
	OSRetain(NULL);
}
END_TEST

static void
cast_wrongly(void *context)
{
	OSObject *plain = object_create(OSObject);

	OSRequiredCast(Dog, plain);
}

static void
ask_for_wrong_ivars(void *context)
{
	OSObject *plain = object_create(OSObject);

	OSObjectIVars(Dog, plain)->barks = 1;
}

START_TEST(wrong_class_aborts_with_both_names)
{
	char text[512];

	ck_assert(unit_killed_by(unit_child(cast_wrongly, NULL, text, sizeof(text)), SIGABRT));
	ck_assert_ptr_nonnull(strstr(text, "Dog"));
	ck_assert_ptr_nonnull(strstr(text, "OSObject"));
	ck_assert(
		unit_killed_by(unit_child(ask_for_wrong_ivars, NULL, text, sizeof(text)), SIGABRT));
	ck_assert_ptr_nonnull(strstr(text, "Dog"));
}
END_TEST

static bool
forgetful_init(OSObject *self)
{
	return true;
}

static void
forgetful_free(OSObject *self)
{
}

static const OSObjectMethods no_super_init = {.size = sizeof(OSObjectMethods),
					      .init = forgetful_init};
static const OSObjectMethods no_super_free = {.size = sizeof(OSObjectMethods),
					      .free = forgetful_free};
static const OSMetaClass gNoInitMetaClass = {.size = sizeof(OSMetaClass),
					     .name = "NoInit",
					     .superclass = OSTypeID(OSObject),
					     .object = &no_super_init};
static const OSMetaClass gNoFreeMetaClass = {.size = sizeof(OSMetaClass),
					     .name = "NoFree",
					     .superclass = OSTypeID(OSObject),
					     .object = &no_super_free};

static void
create_and_release(void *metaclass)
{
	OSRelease(object_create_of(metaclass));
}

START_TEST(forgotten_super_calls_abort_with_the_class)
{
	char text[512];

	ck_assert(
		unit_killed_by(unit_child(create_and_release, (void *)(uintptr_t)&gNoInitMetaClass,
					  text, sizeof(text)),
			       SIGABRT));
	ck_assert_ptr_nonnull(strstr(text, "NoInit: init"));
	ck_assert(
		unit_killed_by(unit_child(create_and_release, (void *)(uintptr_t)&gNoFreeMetaClass,
					  text, sizeof(text)),
			       SIGABRT));
	ck_assert_ptr_nonnull(strstr(text, "NoFree: free"));
}
END_TEST

static bool
failing_init(OSObject *self)
{
	return false;
}

static const OSObjectMethods failing_methods = {
	.size = sizeof(OSObjectMethods), .init = failing_init, .free = Animal_free};
static const OSMetaClass gFailingMetaClass = {.size = sizeof(OSMetaClass),
					      .name = "Failing",
					      .superclass = OSTypeID(OSObject),
					      .object = &failing_methods};

START_TEST(failed_init_frees_and_gives_nothing)
{
	ck_assert_ptr_null(object_create_of(&gFailingMetaClass));
	ck_assert_int_eq(animals_freed, 1);
}
END_TEST

static void
never_called(OSObject *self)
{
	abort();
}

START_TEST(entries_past_a_tables_or_classes_size_are_inherited)
{
	/* As from a bundle whose header ended after init, with other bytes behind. */
	static const OSObjectMethods short_table = {
		.size = offsetof(OSObjectMethods, free),
		.init = Animal_init,
		.free = never_called,
	};
	static const OSMetaClass short_class = {
		.size = offsetof(OSMetaClass, service),
		.name = "Short",
		.superclass = OSTypeID(Animal),
		.object = &short_table,
		.service = (const void *)(uintptr_t)0x1,
	};
	OSObject *object = object_create_of(&short_class);

	ck_assert_ptr_nonnull(object);
	ck_assert_ptr_null((void *)(uintptr_t)object_method(object, offsetof(OSMetaClass, service),
							    sizeof(size_t)));
	OSRelease(object);
	ck_assert_int_eq(animals_freed, 1);
}
END_TEST

START_TEST(impossible_classes_are_refused)
{
	OSMetaClass loop = {.size = sizeof(OSMetaClass), .name = "Loop"};
	OSMetaClass rootless = {.size = sizeof(OSMetaClass), .name = "Rootless"};
	OSMetaClass huge = {.size = sizeof(OSMetaClass),
			    .name = "Huge",
			    .superclass = OSTypeID(OSObject),
			    .ivars_size = SIZE_MAX - 8};

	loop.superclass = &loop;
	ck_assert_ptr_null(OSMetaClass_alloc(&loop));
	ck_assert_ptr_null(OSMetaClass_alloc(&rootless));
	ck_assert_ptr_null(OSMetaClass_alloc(&huge));
	ck_assert_ptr_null(OSMetaClass_alloc(NULL));
}
END_TEST

START_TEST(base_queue_methods_have_none)
{
	OSObject *object = object_create(OSObject);
	IODispatchQueue *queue = NULL;

	ck_assert_int_eq(OSObject_SetDispatchQueue(object, "Other", NULL), kIOReturnBadArgument);
	ck_assert_int_eq(OSObject_CopyDispatchQueue(object, "Default", &queue), kIOReturnNotFound);
	ck_assert_int_eq(OSObject_CopyDispatchQueue(object, NULL, &queue), kIOReturnBadArgument);
	ck_assert_int_eq(OSObject_CopyDispatchQueue(object, "Default", NULL), kIOReturnBadArgument);
	OSRelease(object);
}
END_TEST

static void *
retain_and_release(void *object)
{
	for (int i = 0; i < 20000; i++) {
		OSRetain(object);
		OSRelease(object);
	}
	OSRelease(object);
	return NULL;
}

START_TEST(references_count_across_threads)
{
	Dog *dog = object_create(Dog);
	pthread_t threads[4];

	for (int i = 0; i < 4; i++) {
		OSRetain(dog);
		ck_assert_int_eq(pthread_create(&threads[i], NULL, retain_and_release, dog), 0);
	}
	OSRelease(dog);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_eq(dogs_freed, 1);
}
END_TEST

START_TEST(who_else_holds_it)
{
	OSString *string = OSStringCreateWithCString("one");

	ck_assert(!object_is_shared(NULL));
	ck_assert(!object_is_shared(string));
	ck_assert(object_try_retain(string));
	ck_assert(object_is_shared(string));
	OSRelease(string);
	ck_assert(!object_is_shared(string));
	OSRelease(string);
}
END_TEST

static bool revived;

static void
try_to_revive(OSObject *self)
{
	revived = object_try_retain(self);
	OSObject_free_Impl(self);
}

START_TEST(what_is_being_freed_is_not_retained)
{
	static const OSObjectMethods methods = {.size = sizeof(methods), .free = try_to_revive};
	static const OSMetaClass metaclass = {
		.size = sizeof(metaclass),
		.name = "Reviver",
		.superclass = OSTypeID(OSObject),
		.object = &methods,
	};

	revived = true;
	OSRelease(object_create_of(&metaclass));
	ck_assert(!revived);
}
END_TEST

UNIT_MAIN("object", who_else_holds_it, what_is_being_freed_is_not_retained,
	  init_and_free_run_up_the_chain, casts_follow_the_chain,
	  wrong_class_aborts_with_both_names, forgotten_super_calls_abort_with_the_class,
	  failed_init_frees_and_gives_nothing, entries_past_a_tables_or_classes_size_are_inherited,
	  impossible_classes_are_refused, base_queue_methods_have_none,
	  references_count_across_threads)
