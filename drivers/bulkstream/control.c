/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which control requests apps may make: those of the dictionary BulkStreamRequests in the
 * personality that matched. A key is a name for the reader; its value a dictionary of
 *
 *	bmRequestType, bRequest		required, and must be equal
 *	wValue, wIndex			optional: if there, must be equal
 *	wLength				optional: if there, the most that is allowed
 *
 * An app that could send any request could reset, reconfigure or re-flash a device that others are
 * using; so the default is none.
 */
#include "stream.h"

static bool
field_allows(const OSDictionary *rule, const char *key, bool required, uint64_t value)
{
	uint64_t wanted;

	if (!OSDictionaryGetUInt64Value(rule, key, &wanted))
		return !required && OSDictionaryGetValue(rule, key) == NULL;
	return wanted == value;
}

static bool
allows(void *context, const char *key, OSObject *value)
{
	const struct control_request *request = context;
	const OSDictionary *rule = OSDynamicCast(OSDictionary, value);
	uint64_t most = UINT16_MAX;

	if (rule == NULL) {
		os_log_error(OS_LOG_DEFAULT, "Info.plist: BulkStreamRequests:%s is no dictionary",
			     key);
		return false;
	}
	(void)OSDictionaryGetUInt64Value(rule, "wLength", &most);
	return field_allows(rule, "bmRequestType", true, request->type) &&
	       field_allows(rule, "bRequest", true, request->request) &&
	       field_allows(rule, "wValue", false, request->value) &&
	       field_allows(rule, "wIndex", false, request->index) && request->length <= most;
}

bool
control_is_allowed(struct driver *driver, const struct control_request *request)
{
	struct control_request copy = *request;

	if (driver->requests != NULL && OSDictionaryApply_f(driver->requests, &copy, allows))
		return true;
	os_log_error(
		OS_LOG_DEFAULT,
		"control request 0x%02x 0x%02x (value 0x%04x, index 0x%04x, length %u) refused: "
		"BulkStreamRequests in the driver's Info.plist does not list it",
		request->type, request->request, request->value, request->index, request->length);
	return false;
}
