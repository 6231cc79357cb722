using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;

namespace KernelGateway.Core.Policies;

/// <summary>Whether the image that a caller names may be used.</summary>
internal static class ImageRequests
{
    private const int MaxLength = 255;

    /// <exception cref="GatewayException"><see cref="ErrorCode.NotSupported"/>: the variant has no images; <see cref="ErrorCode.InvalidArgument"/>: not one of those that are allowed.</exception>
    internal static void Check(string? image, IKernelProvisioner variant, IEnumerable<IKernelProvisioner> all)
    {
        if (image is null)
        {
            return;
        }

        if (variant.SelectableImages is not { } allowed)
        {
            var able = all.Where(one => one.SelectableImages is not null).Select(one => one.Name).DefaultIfEmpty("none here");
            throw new GatewayException(
                ErrorCode.NotSupported,
                $"The variant '{variant.Name}' runs on the system of its environment, and an image cannot be chosen. Leave 'image' out, or use a variant with images: {string.Join(", ", able)}.",
                "image");
        }

        // Not in the refusal as it came: what is not in the list may be anything.
        var shown = image.Length <= MaxLength && !image.Any(char.IsControl) ? $"'{image}'" : "What 'image' names";
        if (!allowed.Contains(image))
        {
            throw new GatewayException(
                ErrorCode.InvalidArgument,
                $"{shown} is not an image that this gateway allows. {(allowed.Count > 0 ? $"Allowed: {string.Join(", ", allowed)}." : "It allows none to be chosen.")} More are a matter of its configuration (AllowedImages of the variant).",
                "image");
        }
    }
}
